"""The chat endpoint that the settings name."""

from __future__ import annotations

from pydantic import SecretStr

from gateway.engines.chat.brain import ChatEndpoint
from gateway.settings import Settings
from gateway.settings.models import ChatDeclared

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
        speculations=settings.chat_speculations,
        limit_field="max_completion_tokens" if hosted else "max_tokens",
    )


def declared_endpoint(declared: ChatDeclared, settings: Settings) -> ChatEndpoint:
    """Return the endpoint that a model declares; `OPENAI_API_KEY` is shown to OpenAI alone.

    Raises:
        ValueError: its key is not there.
    """
    hosted = declared.url is None or f"{declared.url}/".startswith(f"{OPENAI}/")
    key = declared.api_key.read() if declared.api_key else settings.openai_api_key
    return ChatEndpoint(
        base_url=declared.url or OPENAI,
        model=declared.model,
        api_key=(_usable(key) if declared.api_key or hosted else "") or NO_KEY,
        first_token_s=declared.first_token_s or settings.chat_first_token_s,
        next_token_s=declared.next_token_s or settings.chat_next_token_s,
        limit_field="max_completion_tokens" if hosted else "max_tokens",
        clauses=settings.chat_clauses,
        speculations=settings.chat_speculations,
    )


def _usable(key: SecretStr | None) -> str:
    text = key.get_secret_value() if key is not None else ""
    return "" if text.startswith(OUR_KEYS) else text
