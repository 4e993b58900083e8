"""Another Realtime endpoint behind a model name: where it is and how it is reached."""
