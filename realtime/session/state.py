"""What the parts of a session machine share."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.conversation import Conversation
from realtime.session.config import SessionConfig
from realtime.session.inputs import EngineTraits, SessionLimits
from realtime.session.outbox import Outbox


@dataclass(slots=True, kw_only=True)
class SessionState:
    """Owned by the session; its parts read and change it, one input at a time."""

    config: SessionConfig
    conversation_id: str
    outbox: Outbox
    limits: SessionLimits
    traits: EngineTraits
    conversation: Conversation
    narrowed: frozenset[str] = frozenset()
    """Names of tools that policy took away."""
    has_spoken: bool = False
    """Assistant audio was sent, which fixes the voice (CONTRACT 6.6)."""
