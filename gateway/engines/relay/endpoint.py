"""Where a relayed model runs, and how a connection to it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway.settings import RelaySetting, Settings


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

    @property
    def address(self) -> str:
        """The URL with the upstream's own name of the model."""
        parts = urlsplit(self.url)
        query = [(k, v) for k, v in parse_qsl(parts.query) if self.model is None or k != "model"]
        if self.model is not None:
            query.append(("model", self.model))
        return urlunsplit(parts._replace(query=urlencode(query)))

    @property
    def host(self) -> str:
        """The host, for the log."""
        return urlsplit(self.url).hostname or ""

    def headers(self) -> Mapping[str, str]:
        """Return the headers of the handshake, the key among them."""
        if not self.key:
            return {}
        if self.key_header == "api-key":
            return {"api-key": self.key}
        return {"Authorization": f"Bearer {self.key}"}


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
    )
