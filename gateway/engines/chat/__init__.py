"""Any OpenAI-compatible chat-completions endpoint as a brain."""
