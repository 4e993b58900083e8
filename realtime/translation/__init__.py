"""Translation sessions: continuous speech in, another language out (CONTRACT 13)."""
