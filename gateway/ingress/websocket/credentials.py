"""Credentials of a WebSocket handshake (CONTRACT 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.identity.headers import bearer, safety_identifier

SUBPROTOCOL = "realtime"
_KEY = "openai-insecure-api-key."
_BETA = "openai-beta.realtime-v1"


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the upgrade request said; `credential` is None when there was none."""

    credential: str | None
    subprotocol: str | None
    beta: bool
    organisation: str | None
    project: str | None
    safety_identifier: str = ""


def read_handshake(headers: Mapping[str, str], subprotocols: Sequence[str]) -> Handshake:
    """Read headers and subprotocols; a header wins over a subprotocol (our choice).

    Only `realtime` is ever echoed: the others carry the credential.
    """
    return Handshake(
        credential=_credential(headers, subprotocols),
        subprotocol=SUBPROTOCOL if SUBPROTOCOL in subprotocols else None,
        beta="realtime=v1" in headers.get("openai-beta", "") or _BETA in subprotocols,
        organisation=headers.get("openai-organization")
        or _suffix(subprotocols, "openai-organization."),
        project=headers.get("openai-project") or _suffix(subprotocols, "openai-project."),
        safety_identifier=safety_identifier(headers),
    )


def _credential(headers: Mapping[str, str], subprotocols: Sequence[str]) -> str | None:
    return bearer(headers) or _suffix(subprotocols, _KEY)


def _suffix(subprotocols: Sequence[str], prefix: str) -> str | None:
    for name in subprotocols:
        if name.startswith(prefix) and len(name) > len(prefix):
            return name[len(prefix) :]
    return None
