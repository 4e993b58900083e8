"""Who takes a controller's frames, whatever session is behind it."""

from __future__ import annotations

from typing import TypeAlias

from gateway.ingress.frames import FrameTaker
from gateway.ingress.relay_frames import RelayFrameTaker
from gateway.ingress.translation_frames import TranslationFrameTaker
from gateway.sessions.calls import AnyCalled
from gateway.sessions.dialects import GA, Dialect
from gateway.sessions.relay_opening import OpenedRelay
from gateway.sessions.translation_opening import OpenedTranslation
from realtime.session.inputs import ControllerId

Taker: TypeAlias = FrameTaker | RelayFrameTaker | TranslationFrameTaker


def taker_of(opened: AnyCalled, controller: ControllerId, *, dialect: Dialect = GA) -> Taker:
    """Return what takes a data channel's frames."""
    if isinstance(opened, OpenedTranslation):
        return TranslationFrameTaker(opened, controller)
    if isinstance(opened, OpenedRelay):
        return RelayFrameTaker(opened, controller, dialect=dialect)
    return FrameTaker(opened, controller, dialect=dialect)
