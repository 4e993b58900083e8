"""The contract of `realtime.ports.Synthesiser`; every synthesiser runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from realtime.engine import (
    BYTES_PER_SAMPLE,
    SessionFacts,
    SpeechFailed,
    SpeechFinished,
    SpeechRequest,
)
from realtime.ports import SpeechSession, Synthesiser

SPEECH_TIMEOUT_S = 30.0
QUIET_S = 0.3
"""Time in which a session that may not report gets its chance to break the rule."""

MOST_VARIATION = 0.05
"""By how much the same sentence may differ in length: many voices are never twice the same."""

SENTENCE = "It is half past nine in the evening."
LONG = " ".join([SENTENCE] * 40)


class Speaking:
    """One session, what was heard of it and how its segments ended."""

    def __init__(self, synthesiser: Synthesiser, name: str = "sess_contract") -> None:
        """Open the session."""
        self.pieces: list[tuple[str, bytes]] = []
        self.ends: list[SpeechFinished | SpeechFailed] = []
        self._changed = asyncio.Event()
        self.session: SpeechSession = synthesiser.open(
            SessionFacts(session_id=name), audio=self._heard, sink=self._ended
        )

    def _heard(self, segment_id: str, audio: bytes) -> None:
        self.pieces.append((segment_id, audio))
        self._changed.set()

    def _ended(self, report: SpeechFinished | SpeechFailed) -> None:
        self.ends.append(report)
        self._changed.set()

    def say(self, segment_id: str, text: str = SENTENCE, **more: Any) -> None:
        """Ask for a segment; a report from inside `speak` is a fault."""
        before = (len(self.pieces), len(self.ends))
        asked = {"response_id": "resp_1", **more}
        self.session.speak(SpeechRequest(segment_id=segment_id, text=text, **asked))
        assert before == (len(self.pieces), len(self.ends)), "reported from inside speak"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(SPEECH_TIMEOUT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def whole(self, segments: int = 1) -> None:
        """Wait for the ends of so many segments, all of them good."""
        await self.until(lambda: len(self.ends) >= segments)
        assert all(isinstance(end, SpeechFinished) for end in self.ends), self.ends

    def audio(self, segment_id: str) -> bytes:
        """Return all audio of a segment."""
        return b"".join(audio for name, audio in self.pieces if name == segment_id)


async def check_synthesiser(synthesiser: Synthesiser) -> None:
    """Raise AssertionError where a synthesiser breaks the contract."""
    rules: tuple[Callable[[Synthesiser], Awaitable[None]], ...] = (
        segment_is_spoken_then_ends_once,
        segments_are_spoken_in_order,
        cancel_drops_one_response_only,
        closed_session_is_silent,
        text_without_words_ends,
        every_voice_speaks,
        sessions_at_once_stay_apart,
    )
    for rule in rules:
        await rule(synthesiser)


async def segment_is_spoken_then_ends_once(synthesiser: Synthesiser) -> None:
    """A segment has audible audio in whole samples, one end, and nothing after it."""
    speaking = Speaking(synthesiser)
    speaking.say("seg_1")
    await speaking.whole()
    heard = len(speaking.pieces)
    assert all(audio and len(audio) % BYTES_PER_SAMPLE == 0 for _, audio in speaking.pieces)
    assert any(speaking.audio("seg_1"))
    await asyncio.sleep(QUIET_S)
    assert speaking.ends == [SpeechFinished("seg_1")]
    assert len(speaking.pieces) == heard
    speaking.session.close()


async def segments_are_spoken_in_order(synthesiser: Synthesiser) -> None:
    """Segments of a session follow each other as they were asked for, unmixed."""
    speaking = Speaking(synthesiser)
    names = [f"seg_{n}" for n in range(4)]
    for name in names:
        speaking.say(name)
    await speaking.whole(len(names))
    assert list(dict.fromkeys(name for name, _ in speaking.pieces)) == names
    assert [name for name, _ in speaking.pieces] == sorted(name for name, _ in speaking.pieces)
    assert [end.segment_id for end in speaking.ends] == names
    speaking.session.close()


async def cancel_drops_one_response_only(synthesiser: Synthesiser) -> None:
    """Of a cancelled response nothing more comes; the next response is spoken whole."""
    speaking = Speaking(synthesiser)
    speaking.say("seg_void", LONG)
    speaking.say("seg_void_too", LONG)
    await speaking.until(lambda: bool(speaking.pieces))
    speaking.say("seg_next", response_id="resp_2")
    speaking.session.cancel("resp_1")
    heard = len(speaking.pieces)
    ended = len(speaking.ends)
    await speaking.until(lambda: len(speaking.ends) > ended)
    await asyncio.sleep(QUIET_S)
    assert {name for name, _ in speaking.pieces[heard:]} == {"seg_next"}
    assert speaking.ends[ended:] == [SpeechFinished("seg_next")]
    speaking.session.close()


async def closed_session_is_silent(synthesiser: Synthesiser) -> None:
    """Nothing is heard or reported after `close`, which ends what runs."""
    speaking = Speaking(synthesiser)
    speaking.say("seg_1", LONG)
    await speaking.until(lambda: bool(speaking.pieces))
    speaking.session.close()
    before = (len(speaking.pieces), len(speaking.ends))
    await asyncio.sleep(QUIET_S)
    assert before == (len(speaking.pieces), len(speaking.ends))


async def text_without_words_ends(synthesiser: Synthesiser) -> None:
    """Nothing to say is said at once, not waited for."""
    speaking = Speaking(synthesiser)
    for number, text in enumerate(("", "  \n", "...", "\u200b")):
        speaking.say(f"seg_{number}", text)
    await speaking.whole(4)
    speaking.session.close()


async def every_voice_speaks(synthesiser: Synthesiser) -> None:
    """Every voice it claims to have speaks, and so does a name that it does not know."""
    speaking = Speaking(synthesiser)
    voices = [*synthesiser.voices(), "no-such-voice"]
    assert len(voices) > 1
    for voice in voices:
        speaking.say(voice, voice=voice)
    await speaking.whole(len(voices))
    assert all(speaking.audio(voice) for voice in voices)
    speaking.session.close()


async def sessions_at_once_stay_apart(synthesiser: Synthesiser) -> None:
    """Sessions that speak at once hear their own segments, as if alone."""
    alone = Speaking(synthesiser)
    alone.say("seg_0")
    await alone.whole()
    together = [Speaking(synthesiser, f"sess_{n}") for n in range(4)]
    for number, speaking in enumerate(together):
        speaking.say(f"seg_{number}")
    for number, speaking in enumerate(together):
        await speaking.whole()
        assert {name for name, _ in speaking.pieces} == {f"seg_{number}"}
        length = len(speaking.audio(f"seg_{number}")) / len(alone.audio("seg_0"))
        assert abs(length - 1) < MOST_VARIATION
        speaking.session.close()
    alone.session.close()
