"""What can happen to a relayed session beside the inputs that every session knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]


class Loss(StrEnum):
    """Why an upstream connection is of no use any more."""

    CLOSED = "closed"
    SILENT = "silent"
    GARBAGE = "garbage"
    EXPIRED = "expired"
    RENEWED = "renewed"
    """Nothing is wrong yet: its time limit is near, and nothing is under way."""


@dataclass(frozen=True, slots=True)
class RelayedFromClient:
    """A client event: an object with a `type`, otherwise as the client wrote it."""

    controller: int
    event: Json
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FromUpstream:
    """An event of the upstream; `text` as it came."""

    event: Json
    text: str


@dataclass(frozen=True, slots=True)
class UpstreamLost:
    """The connection is gone; `code` is the WebSocket close code, where there was one."""

    loss: Loss
    code: int = 1006


@dataclass(frozen=True, slots=True)
class UpstreamReady:
    """There is a connection again, configured; `session` is what the upstream says it is."""

    session: Json
    lasts_ms: int | None = None
    """How long the upstream's session may last, where it says so."""


@dataclass(frozen=True, slots=True)
class UpstreamUnreachable:
    """An attempt to connect failed."""


RelayInput: TypeAlias = (
    RelayedFromClient | FromUpstream | UpstreamLost | UpstreamReady | UpstreamUnreachable
)
