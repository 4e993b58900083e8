"""The real speech worker as a child process, for tests."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from ovos_bridge.launch import plan
from ovos_bridge.speech.client import SpeechClient
from realtime.media.resample import Resampler

ROOT = Path(__file__).resolve().parents[3]
QUESTION = ROOT / "conformance" / "audio" / "what_time_is_it.wav"
QUESTION_TEXT = "what time is it"
PHRASES = (QUESTION_TEXT, "tell me the time", "what day is it", "flip a coin", "who are you")

CANONICAL_HZ = 24_000
CONNECT_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


def silence(duration_ms: int) -> bytes:
    """Return canonical silence."""
    return bytes(2 * CANONICAL_HZ * duration_ms // 1000)


def recording(path: Path) -> bytes:
    """Return a wav file as canonical audio with the silence a turn has around it."""
    with wave.open(str(path), "rb") as file:
        hz, audio = file.getframerate(), file.readframes(file.getnframes())
    if hz != CANONICAL_HZ:
        convert = Resampler(hz, CANONICAL_HZ)
        audio = convert.process(audio) + convert.flush()
    return silence(300) + audio + silence(200)


class Worker:
    """A worker process; it may be killed, halted and started again."""

    def __init__(self, folder: Path, python: Path, arguments: Sequence[str] = ()) -> None:
        """Lay out its folder; nothing runs yet."""
        state = folder / "ovos"
        state.mkdir()
        self.socket = str(folder / "s")
        self.log = folder / "speech.log"
        self._plan = plan.speech_plan(
            state, python, ["--socket", self.socket, "--slot-wait-s", "45", *arguments]
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._env = dict(self._plan.env)

    def add_path(self, folder: Path) -> None:
        """Let it import from a folder too."""
        self._env["PYTHONPATH"] += f":{folder}"

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._plan.argv,
                env=self._env,
                cwd=self._plan.cwd,
                stdout=out,
                stderr=out,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        assert self._process is not None
        return self._process.wait(CONNECT_TIMEOUT_S)

    def kill(self) -> None:
        """Kill -9 and wait."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Link:
    """Whether a client is connected, to be waited for."""

    def __init__(self) -> None:
        """Not connected yet."""
        self.up, self.down = asyncio.Event(), asyncio.Event()

    def changed(self, connected: bool) -> None:
        """The client tells."""
        (self.up if connected else self.down).set()
        (self.down if connected else self.up).clear()

    async def wait(self, *, connected: bool) -> None:
        """Wait for the state."""
        event = self.up if connected else self.down
        await asyncio.wait_for(event.wait(), CONNECT_TIMEOUT_S)


@asynccontextmanager
async def linked(
    path: str, *, recognition_timeout_s: float = 60.0, synthesis_timeout_s: float = 60.0
) -> AsyncIterator[tuple[SpeechClient, Link]]:
    """Run a client around a block; it may not be connected yet."""
    link = Link()
    client = SpeechClient(
        path,
        recognition_timeout_s=recognition_timeout_s,
        synthesis_timeout_s=synthesis_timeout_s,
        on_change=link.changed,
    )
    async with client:
        yield client, link
