"""The chat endpoint that the settings name."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import SecretStr

from gateway.engines.chat.brain import ChatEndpoint
from gateway.settings import Settings
from gateway.settings.models import ChatDeclared

OPENAI = "https://api.openai.com/v1"
OUR_KEYS = "sk-ve-"
"""Clients on this machine keep our own key in `OPENAI_API_KEY`; it opens nothing elsewhere."""

AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
"""Where OpenAI's models are served by Azure."""

NO_KEY = "none"


def chat_endpoint(settings: Settings) -> ChatEndpoint | None:
    """Return the endpoint, None where neither an address nor a key is set."""
    hosted = settings.chat_url is None or settings.chat_url.startswith(OPENAI)
    key = _usable(settings.chat_api_key) or (_usable(settings.openai_api_key) if hosted else "")
    if settings.chat_url is None and not key:
        return None
    endpoint = ChatEndpoint(
        base_url=OPENAI,
        model=settings.chat_model,
        api_key=key or NO_KEY,
        key_header=settings.chat_key_header,
        first_token_s=settings.chat_first_token_s,
        next_token_s=settings.chat_next_token_s,
        clauses=settings.chat_clauses,
        speculations=settings.chat_speculations,
    )
    return _at(endpoint, settings.chat_url)


def declared_endpoint(declared: ChatDeclared, settings: Settings) -> ChatEndpoint:
    """Return the endpoint that a model declares; `OPENAI_API_KEY` is shown to OpenAI alone.

    Raises:
        ValueError: its key is not there.
    """
    hosted = declared.url is None or f"{declared.url}/".startswith(f"{OPENAI}/")
    key = declared.api_key.read() if declared.api_key else settings.openai_api_key
    endpoint = ChatEndpoint(
        base_url=OPENAI,
        model=declared.model,
        api_key=(_usable(key) if declared.api_key or hosted else "") or NO_KEY,
        key_header=declared.key_header,
        first_token_s=declared.first_token_s or settings.chat_first_token_s,
        next_token_s=declared.next_token_s or settings.chat_next_token_s,
        clauses=settings.chat_clauses,
        speculations=settings.chat_speculations,
    )
    return _at(endpoint, declared.url)


def _at(endpoint: ChatEndpoint, url: str | None) -> ChatEndpoint:
    """Return the endpoint with what its address tells: the query, and whose product it is."""
    address = urlsplit(url or OPENAI)
    host = address.hostname or ""
    openai_s = host == urlsplit(OPENAI).hostname or host.endswith(AZURE)
    return replace(
        endpoint,
        base_url=urlunsplit(address._replace(query="", fragment="")),
        query=tuple(parse_qsl(address.query)),
        limit_field="max_completion_tokens" if openai_s else "max_tokens",
        names_one=openai_s,
    )


def _usable(key: SecretStr | None) -> str:
    text = key.get_secret_value() if key is not None else ""
    return "" if text.startswith(OUR_KEYS) else text
