"""What a media leg plays of relayed answers, and what the upstream is told of it.

The upstream takes the gateway for a client that plays by itself: when the caller speaks over an
answer it stops making it, but only the gateway knows what was heard. It falls silent, says so to
its clients, and truncates the item upstream, where the conversation is. Invariants: an item is
truncated when its response has ended there, since one that is being made cannot be; clients are
told of a cut once, when it is heard, whatever the upstream says to it later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from realtime.relay.effects import SendRelayed, SendUpstream
from realtime.relay.inputs import Json
from realtime.relay.memory import RelayMemory
from realtime.session.outbox import Outbox
from realtime.session.playback import Playback

TRUNCATE: Final = "relay_truncate:"
"""How the id of the event begins that tells the upstream what was heard; the item's follows."""

LEAST_CUT_MS: Final = 1
"""What was not heard at all is cut here: endpoints refuse 0 (CONTRACT 9.4)."""

AUDIO_DELTA: Final = "response.output_audio.delta"
PCM_BYTES_PER_MS: Final = 48
G711_BYTES_PER_MS: Final = 8


@dataclass(slots=True)
class _Item:
    """A message that is spoken."""

    content_index: int
    ms: float = 0.0
    """Audio that came of it."""


@dataclass(slots=True)
class _Response:
    in_conversation: bool
    items: dict[str, _Item] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    """What was heard of items, in ms, that the upstream still made; clients know it."""
    running: bool = True
    cleared: bool = False
    elsewhere: bool = False
    """The connection that made it is gone, and its audio with it."""


class Playing:
    """The responses of a relayed session that are played here; none without a leg."""

    def __init__(self, outbox: Outbox, memory: RelayMemory, *, has_leg: bool) -> None:
        self.has_leg = has_leg
        self._outbox = outbox
        self._memory = memory
        self._playback = Playback(outbox, self, has_leg=has_leg)
        self._responses: dict[str, _Response] = {}
        self._up = True
        self._sent: set[str] = set()
        """Items whose cut the upstream has not answered."""

    @property
    def audible(self) -> bool:
        """The caller hears something, or is about to."""
        return self._playback.audible

    # --- what comes from the upstream ---

    def response_began(self, response_id: str, *, in_conversation: bool) -> None:
        """A response runs."""
        self._responses[response_id] = _Response(in_conversation)

    def spoke(self, event: Json) -> bool:
        """Audio of a response came, or words of it; return False if it is of none that runs."""
        response_id, item_id = event.get("response_id"), event.get("item_id")
        if not isinstance(response_id, str) or not isinstance(item_id, str):
            return False
        response = self._responses.get(response_id)
        if response is None or not response.running:
            return False
        if item_id not in response.items:
            place = event.get("content_index")
            response.items[item_id] = _Item(place if type(place) is int else 0)
        self._playback.begin(response_id, item_id, in_conversation=response.in_conversation)
        if event["type"] == AUDIO_DELTA:
            item = response.items[item_id]
            item.ms += _bytes(event.get("delta")) / _bytes_per_ms(self._memory.session)
        return True

    def response_done(self, response_id: str, *, up: bool) -> None:
        """No more comes of a response."""
        response = self._responses.get(response_id)
        if response is None:
            return
        self._up, response.running = up, False
        if response.cleared and response.in_conversation:
            for item_id, item in response.items.items():
                if item_id not in response.cuts and item.ms:  # it began when all was silent
                    self._tell(item_id, item, 0)
                self._truncate(response, item_id, response.cuts.get(item_id, 0))
        self._playback.response_done(response_id)
        if not any(item.ms for item in response.items.values()):
            self._ended(response_id, voiced=False)  # the leg got nothing, so nothing is waited for
        elif response.cleared:
            del self._responses[response_id]

    def speech_began(self) -> None:
        """The caller speaks over what is played."""
        if self.has_leg and _interrupts(self._memory.session):
            self._playback.clear(beside=False)

    def lost(self) -> None:
        """The connection is gone: another one knows no audio of what was said."""
        self._sent.clear()
        for response in self._responses.values():
            response.elsewhere = True

    def answered(self, item_id: object) -> bool:
        """An item was truncated there; return False if the gateway did not ask for it."""
        if not isinstance(item_id, str) or item_id not in self._sent:
            return False
        self._sent.remove(item_id)
        return True

    def refused(self, event_id: object) -> None:
        """An event of ours was refused: if it was a cut, clients know of it already."""
        self._sent.discard(str(event_id).removeprefix(TRUNCATE))

    # --- what the leg says, and the client wants ---

    def clear(self) -> None:
        """The client wants silence."""
        self._playback.clear(beside=True)

    def silence(self, response_id: str) -> None:
        """One response must not be heard."""
        self._playback.silence(response_id)

    def drained(self, response_id: str) -> None:
        """Everything of a response was played."""
        self._ended(response_id, voiced=True)

    def _ended(self, response_id: str, *, voiced: bool) -> None:
        self._playback.drained(response_id, voiced=voiced)
        response = self._responses.get(response_id)
        if response is not None and not response.running:
            del self._responses[response_id]

    def cleared(self, response_id: str, heard_ms: Mapping[str, int], *, up: bool) -> None:
        """The leg fell silent."""
        self._up = up
        self._playback.cleared(response_id, heard_ms)
        response = self._responses.get(response_id)
        if response is not None:
            response.cleared = True
            if not response.running:
                del self._responses[response_id]

    def cut(self, item_id: str, heard_ms: int, *, whole: bool) -> None:
        """See `Cuts`."""
        for response in self._responses.values():
            item = response.items.get(item_id)
            if item is None or not response.in_conversation:
                continue
            if not whole:
                response.cuts[item_id] = heard_ms
                self._tell(item_id, item, heard_ms)
            elif heard_ms < item.ms:
                self._tell(item_id, item, heard_ms)
                self._truncate(response, item_id, heard_ms)

    def _tell(self, item_id: str, item: _Item, heard_ms: int) -> None:
        event = {"type": "conversation.item.truncated", "event_id": self._outbox.event_id()}
        self._outbox.do(SendRelayed({**event, **_cut(item_id, item, heard_ms)}))

    def _truncate(self, response: _Response, item_id: str, heard_ms: int) -> None:
        item = response.items[item_id]
        if heard_ms >= item.ms:
            return
        self._memory.forget(item_id)  # which of its words were heard nobody can tell any more
        if not self._up or response.elsewhere:
            return
        self._sent.add(item_id)
        event = {"type": "conversation.item.truncate", "event_id": f"{TRUNCATE}{item_id}"}
        about = _cut(item_id, item, max(heard_ms, LEAST_CUT_MS))
        self._outbox.do(SendUpstream({**event, **about}))


def _cut(item_id: str, item: _Item, heard_ms: int) -> Json:
    return {"item_id": item_id, "content_index": item.content_index, "audio_end_ms": heard_ms}


def _bytes(delta: object) -> int:
    """Return how many bytes base64 text is."""
    if not isinstance(delta, str):
        return 0
    return len(delta) * 3 // 4 - delta[-2:].count("=")


def _bytes_per_ms(session: Json) -> int:
    kind = _at(session, "output", "format", "type")
    return G711_BYTES_PER_MS if kind in {"audio/pcmu", "audio/pcma"} else PCM_BYTES_PER_MS


def _interrupts(session: Json) -> bool:
    return _at(session, "input", "turn_detection", "interrupt_response") is not False


def _at(session: Json, *path: str) -> Any:
    place: Any = session.get("audio")
    for name in path:
        place = place.get(name) if isinstance(place, Mapping) else None
    return place
