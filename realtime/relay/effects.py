"""What a relayed session wants done beside the effects that every session knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from realtime.relay.inputs import Json, Loss
from realtime.session.inputs import ControllerId


@dataclass(frozen=True, slots=True)
class SendRelayed:
    """An event for clients; `text` is as it came, None if it was changed or is ours."""

    event: Json
    text: str | None = None
    to: ControllerId | None = None
    """None for all of them."""


@dataclass(frozen=True, slots=True)
class SendUpstream:
    """An event for the upstream."""

    event: Json


@dataclass(frozen=True, slots=True)
class DropUpstream:
    """Close the connection to the upstream; nothing it still says counts."""

    loss: Loss


@dataclass(frozen=True, slots=True)
class Redial:
    """Connect anew after `delay_ms`, configured so; answered by a report."""

    delay_ms: int
    session: Json | None


@dataclass(frozen=True, slots=True)
class FallBack:
    """The endpoint is given up: later connections go to the next one that was named."""


@dataclass(frozen=True, slots=True)
class RecordRelayed:
    """The effective configuration, as the upstream says it."""

    session: Json


RelayEffect: TypeAlias = (
    SendRelayed | SendUpstream | DropUpstream | Redial | FallBack | RecordRelayed
)
