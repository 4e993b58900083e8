"""Where a relayed model runs, and how a connection to it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway.settings import RelaySetting, Settings

SAFETY_IDENTIFIER = "OpenAI-Safety-Identifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayEndpoint:
    """One model of a Realtime endpoint; times in seconds."""

    url: str
    model: str | None
    key: str = field(repr=False)
    key_header: str
    connect_timeout_s: float
    silence_s: float
    reconnect_s: float
    most_message_bytes: int
    warm_connections: int = 0
    """Connections that are opened ahead."""
    speaks_beta: bool = False
    """The endpoint knows only the old dialect (CONTRACT 18)."""
    runs_mcp: bool = False
    """MCP tools are the endpoint's affair, not the gateway's."""
    has_prompts: bool = False
    """Prompts are the endpoint's, not the project's."""
    safety_identifier: str = ""
    """Whom the caller speaks for, as it says; goes with the handshake."""

    @property
    def address(self) -> str:
        """The URL with the upstream's own name of the model."""
        return _address(self.url, self.model)

    @property
    def host(self) -> str:
        """The host, for the log."""
        return urlsplit(self.url).hostname or ""

    def headers(self) -> Mapping[str, str]:
        """Return the headers of the handshake, the key among them."""
        found = {SAFETY_IDENTIFIER: self.safety_identifier} if self.safety_identifier else {}
        if self.speaks_beta:
            found["OpenAI-Beta"] = "realtime=v1"
        if self.key and self.key_header == "api-key":
            found["api-key"] = self.key
        elif self.key:
            found["Authorization"] = f"Bearer {self.key}"
        return found


@lru_cache(maxsize=256)
def _address(url: str, model: str | None) -> str:
    parts = urlsplit(url)
    query = [(k, v) for k, v in parse_qsl(parts.query) if model is None or k != "model"]
    if model is not None:
        query.append(("model", model))
    return urlunsplit(parts._replace(query=urlencode(query)))


def relay_endpoints(settings: Settings) -> dict[str, RelayEndpoint]:
    """Return the endpoints that the settings name, by the model's name that clients use."""
    return {name: relay_endpoint(relay, settings) for name, relay in settings.relays.items()}


def relay_endpoint(relay: RelaySetting, settings: Settings) -> RelayEndpoint:
    """Return the endpoint of one setting."""
    return RelayEndpoint(
        url=relay.url,
        model=relay.model,
        key=relay.api_key.get_secret_value() if relay.api_key else "",
        key_header=relay.key_header,
        connect_timeout_s=settings.relay_connect_timeout_s,
        silence_s=settings.relay_silence_s,
        reconnect_s=settings.relay_reconnect_s,
        most_message_bytes=settings.ws_max_message_bytes,
        warm_connections=relay.warm_connections,
        speaks_beta=relay.dialect == "beta",
        runs_mcp=relay.mcp == "endpoint",
        has_prompts=relay.prompts == "endpoint",
    )
