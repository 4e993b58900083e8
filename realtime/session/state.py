"""What the parts of a session machine share."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.conversation import Conversation
from realtime.session.config import AnySessionConfig, ConversationConfig, TranscriptionSessionConfig
from realtime.session.inputs import EngineTraits, SessionLimits
from realtime.session.outbox import Outbox


@dataclass(slots=True, kw_only=True)
class SessionState:
    """Owned by the session; its parts read and change it, one input at a time."""

    config: AnySessionConfig
    conversation_id: str
    outbox: Outbox
    limits: SessionLimits
    traits: EngineTraits
    conversation: Conversation
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
        """What the client said is spoken (BCP 47), None if it did not."""
        chosen = self.config.audio.input.transcription
        return chosen.language if chosen else None

    @property
    def language(self) -> str:
        """What the caller speaks, as far as anybody said (BCP 47)."""
        return self.spoken_language or self.traits.language
