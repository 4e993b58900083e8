"""Wire models: what clients send (validated by pydantic) and what we send (dataclasses)."""
