"""What a media leg plays of the session's responses, and what of it was heard.

A WebSocket's client plays by itself: there `has_leg` is false, nothing here
happens, and the client says what was heard. The leg plays one response after the
other. Invariants: a response that began to play ends with one of stopped and cleared,
never both, before the next one begins (CONTRACT 8.14); of one that never began
nothing is told but where it was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from realtime.conversation import Conversation, samples_to_ms
from realtime.errors import WireFault
from realtime.events.playback_events import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
)
from realtime.events.server import ItemTruncated
from realtime.session.effects import ClearPlayback, CutItemAudio, FinishPlayback, ReportPlayback
from realtime.session.outbox import Outbox


class Cuts(Protocol):
    """Whoever keeps the conversation."""

    def cut(self, item_id: str, heard_ms: int, *, whole: bool) -> None:
        """Keep of an item what was heard; `whole` if all its audio was made by then."""


class ConversationCuts:
    """Cuts items of a conversation of our own, and says so."""

    def __init__(self, outbox: Outbox, conversation: Conversation) -> None:
        self._outbox = outbox
        self._conversation = conversation

    def cut(self, item_id: str, heard_ms: int, *, whole: bool) -> None:
        """See `Cuts`."""
        entry = self._conversation.get(item_id)
        if entry is None or entry.truncated:
            return
        held_ms = samples_to_ms(entry.audio_samples)
        if whole and heard_ms >= held_ms:
            return
        heard_ms = min(heard_ms, held_ms)
        try:
            kept = self._conversation.truncate(item_id, content_index=0, audio_end_ms=heard_ms)
        except WireFault:  # the client deleted its audio meanwhile
            return
        self._outbox.do(CutItemAudio(item_id, kept))
        self._outbox.send(
            ItemTruncated(
                event_id=self._outbox.event_id(),
                item_id=item_id,
                content_index=0,
                audio_end_ms=heard_ms,
            )
        )


@dataclass(slots=True)
class _Playing:
    """A response that plays, or waits for those before it."""

    in_conversation: bool
    items: list[str] = field(default_factory=list)
    begun: bool = False
    """Clients were told that it plays."""
    clearing: bool = False
    """The leg was asked to drop it."""
    ended: bool = False
    """The response is done: no more audio will come."""
    cleared: bool = False


class Playback:
    """The responses that play, in the order of their first audio."""

    def __init__(self, outbox: Outbox, cuts: Cuts, *, has_leg: bool) -> None:
        self.has_leg = has_leg
        self._outbox = outbox
        self._cuts = cuts
        self._playing: dict[str, _Playing] = {}

    @property
    def audible(self) -> bool:
        """The caller hears something, or is about to."""
        return any(not playing.cleared for playing in self._playing.values())

    def begin(self, response_id: str, item_id: str, *, in_conversation: bool) -> None:
        """The first audio of an item is about to go to the leg."""
        if not self.has_leg:
            return
        playing = self._playing.get(response_id)
        if playing is None:
            if not self.audible:
                self._outbox.do(ReportPlayback(playing=True))
            playing = self._playing[response_id] = _Playing(in_conversation)
            self._begin_next()
        if item_id not in playing.items:
            playing.items.append(item_id)

    def response_done(self, response_id: str) -> None:
        """No more audio of the response will come."""
        playing = self._playing.get(response_id)
        if playing is None:
            return
        if playing.cleared:
            del self._playing[response_id]
        else:
            playing.ended = True
        self._outbox.do(FinishPlayback(response_id))

    def drained(self, response_id: str, *, voiced: bool = True) -> None:
        """The leg played everything, or there was no audio; a late report finds nothing."""
        playing = self._playing.get(response_id)
        if playing is None or not playing.ended or playing.cleared:
            return
        del self._playing[response_id]
        if voiced:
            self._tell_begun(response_id, playing)
        if playing.begun:
            self._outbox.send(
                OutputAudioBufferStopped(event_id=self._outbox.event_id(), response_id=response_id)
            )
        self._fell_silent()

    def clear(self, *, beside: bool) -> int:
        """Ask the leg to fall silent; return how many responses there were to hear.

        Responses beside the conversation go on unless `beside` (CONTRACT 8.10).
        """
        chosen = tuple(
            response_id
            for response_id, playing in self._playing.items()
            if not playing.cleared and (beside or playing.in_conversation)
        )
        if chosen:
            self._drop(chosen)
        return len(chosen)

    def cleared(self, response_id: str, heard_ms: Mapping[str, int]) -> None:
        """The leg fell silent: say so, and cut the items to what was heard of them."""
        playing = self._playing.get(response_id)
        if playing is None or playing.cleared:
            return
        playing.cleared = True
        if any(heard_ms.get(item_id) for item_id in playing.items):
            self._tell_begun(response_id, playing)
        if playing.begun:
            self._outbox.send(
                OutputAudioBufferCleared(event_id=self._outbox.event_id(), response_id=response_id)
            )
        for item_id in playing.items:
            self._cuts.cut(item_id, heard_ms.get(item_id, 0), whole=playing.ended)
        if playing.ended:
            del self._playing[response_id]
        self._fell_silent()

    def silence(self, response_id: str) -> None:
        """Ask the leg to drop one response."""
        playing = self._playing.get(response_id)
        if playing is not None and not playing.cleared:
            self._drop((response_id,))

    def _drop(self, response_ids: tuple[str, ...]) -> None:
        for response_id in response_ids:
            self._playing[response_id].clearing = True
        self._outbox.do(ClearPlayback(response_ids))

    def _begin_next(self) -> None:
        """Tell of the first response that is to be heard, unless it is about to be dropped."""
        for response_id, playing in self._playing.items():
            if not playing.cleared:
                if not playing.clearing:
                    self._tell_begun(response_id, playing)
                return

    def _tell_begun(self, response_id: str, playing: _Playing) -> None:
        if playing.begun:
            return
        playing.begun = True
        self._outbox.send(
            OutputAudioBufferStarted(event_id=self._outbox.event_id(), response_id=response_id)
        )

    def _fell_silent(self) -> None:
        self._begin_next()
        if not self.audible:
            self._outbox.do(ReportPlayback(playing=False))
