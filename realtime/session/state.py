"""What the parts of a session machine share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from realtime.conversation import Conversation
from realtime.session.config import AnySessionConfig, ConversationConfig, TranscriptionSessionConfig
from realtime.session.inputs import EngineTraits, SessionLimits
from realtime.session.outbox import Outbox
from realtime.session.playback import Playback

LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")


@dataclass(slots=True, kw_only=True)
class SessionState:
    """Owned by the session; its parts read and change it, one input at a time."""

    config: AnySessionConfig
    conversation_id: str
    outbox: Outbox
    limits: SessionLimits
    traits: EngineTraits
    conversation: Conversation
    playback: Playback
    narrowed: frozenset[str] = frozenset()
    """Names of tools that policy took away."""
    has_spoken: bool = False
    """Assistant audio was sent, which fixes the voice (CONTRACT 6.6)."""

    @property
    def converses(self) -> bool:
        """Somebody answers here; in a transcription session nobody does (CONTRACT 12)."""
        return not isinstance(self.config, TranscriptionSessionConfig)

    @property
    def talk(self) -> ConversationConfig:
        """The configuration of a conversation.

        Raises:
            TypeError: it is a transcription session.
        """
        if isinstance(self.config, TranscriptionSessionConfig):
            raise TypeError("a transcription session answers nothing")
        return self.config

    @property
    def spoken_language(self) -> str | None:
        """What the client said is spoken (BCP 47), None if it did not or what it said is no tag.

        Engines look for files and models by it.
        """
        chosen = self.config.audio.input.transcription
        said = chosen.language if chosen else None
        return said if said and LANGUAGE_TAG.fullmatch(said) else None

    @property
    def language(self) -> str:
        """What the caller speaks, as far as anybody said (BCP 47)."""
        return self.spoken_language or self.traits.language
