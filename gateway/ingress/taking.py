"""Who takes a controller's frames, whatever holds the conversation."""

from __future__ import annotations

from typing import TypeAlias

from gateway.ingress.frames import FrameTaker
from gateway.ingress.relay_frames import RelayFrameTaker
from gateway.sessions.opening import AnyConversation
from gateway.sessions.relay_opening import OpenedRelay
from realtime.session.inputs import ControllerId

Taker: TypeAlias = FrameTaker | RelayFrameTaker


def taker_of(opened: AnyConversation, controller: ControllerId) -> Taker:
    """Return what takes a data channel's frames."""
    if isinstance(opened, OpenedRelay):
        return RelayFrameTaker(opened, controller)
    return FrameTaker(opened, controller)
