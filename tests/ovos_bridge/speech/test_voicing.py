"""The thread that speaks, with a voice that hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from ovos_bridge.speech import voicing
from ovos_bridge.speech.voicing import Mouth, Segment

SOUND = b"\x00\x10" * 100


class Voice:
    """Speaks at once; at "hang" it falls silent until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def speak(
        self,
        text: str,
        *,
        voice: str,
        speed: float,
        language: str | None,
        emit: Callable[[bytes], bool],
    ) -> None:
        """Make a sound."""
        if text == "hang":
            self.released.wait(30)
        emit(SOUND)


def segment(text: str, done: Callable[[], None]) -> Segment:
    """Return a segment whose end is told."""
    return Segment(
        text=text,
        voice="alloy",
        speed=1.0,
        language=None,
        audio=lambda _: None,
        done=done,
        failed=lambda *_: None,
    )


async def test_voice_that_hangs_gives_the_process_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speaking and idling are no reason to; silence inside a segment is."""
    monkeypatch.setattr(voicing, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(voicing, "HANGS_AFTER_S", 0.3)
    voice, given_up, spoken = Voice(), asyncio.Event(), asyncio.Event()
    mouth = Mouth(lambda: voice, asyncio.get_running_loop(), given_up.set)
    mouth.start()
    watching = asyncio.create_task(mouth.watch())
    mouth.speak(segment("good morning", spoken.set))
    await asyncio.wait_for(spoken.wait(), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up.wait(), 0.6)
    ended = asyncio.Event()
    mouth.speak(segment("hang", ended.set))
    await asyncio.wait_for(given_up.wait(), 5)
    voice.released.set()
    watching.cancel()
    await asyncio.wait_for(ended.wait(), 30)  # the thread must not outlive the loop it reports to
