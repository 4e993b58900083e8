"""The chat endpoint that the settings name."""

from __future__ import annotations

from pydantic import SecretStr

from gateway.engines.chat.brain import ChatEndpoint
from gateway.settings import Settings

OPENAI = "https://api.openai.com/v1"
OUR_KEYS = "sk-ve-"
"""Clients on this machine keep our own key in `OPENAI_API_KEY`; it opens nothing elsewhere."""

NO_KEY = "none"


def chat_endpoint(settings: Settings) -> ChatEndpoint | None:
    """Return the endpoint, None where neither an address nor a key is set."""
    hosted = settings.chat_url is None or settings.chat_url.startswith(OPENAI)
    key = _usable(settings.chat_api_key) or (_usable(settings.openai_api_key) if hosted else "")
    if settings.chat_url is None and not key:
        return None
    return ChatEndpoint(
        base_url=settings.chat_url or OPENAI,
        model=settings.chat_model,
        api_key=key or NO_KEY,
        first_token_s=settings.chat_first_token_s,
        next_token_s=settings.chat_next_token_s,
        clauses=settings.chat_clauses,
        # Skills that are asked first cannot be asked early: they act.
        speculations=0 if settings.chat_skills_first else settings.chat_speculations,
        limit_field="max_completion_tokens" if hosted else "max_tokens",
    )


def _usable(key: SecretStr | None) -> str:
    text = key.get_secret_value() if key is not None else ""
    return "" if text.startswith(OUR_KEYS) else text
