"""Foreign voice activity that misbehaves, instance by instance."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ovos_bridge.plugins import caller_vad
from ovos_bridge.plugins.caller_vad import (
    FRAME_SAMPLES,
    MOST_HUNG,
    PluginHangs,
    PluginPerCaller,
    TooManyCallers,
)

SPEECH, SILENCE, HANG, FAIL = 0.5, 0.0, 0.9, 0.7
WAIT_S = 0.5
"""For who hangs; a well plugin takes microseconds, on a busy machine milliseconds."""
HUNG_S = 60


def window(*levels: float) -> np.ndarray:
    """Return a window per caller, of constant samples."""
    return np.array([[level] * FRAME_SAMPLES for level in levels], dtype=np.float32)


class Plugin:
    """A plugin that hangs on what is very loud until it is released."""

    released = threading.Event()

    def __init__(self) -> None:
        self.resets = 0

    def is_silence(self, chunk: bytes) -> bool:
        """Judge by the level."""
        level = np.frombuffer(chunk, dtype="<i2")[0] / 32_768
        if level > 0.8:
            self.released.wait(HUNG_S)
        if 0.8 > level > 0.6:
            raise RuntimeError("too loud")
        return bool(level < 0.1)

    def reset(self) -> None:
        """Forget."""
        self.resets += 1


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hang for as long as the test runs, and be found out soon."""
    monkeypatch.setattr(caller_vad, "FRAME_TIMEOUT_S", WAIT_S)
    monkeypatch.setattr(caller_vad, "BEGIN_TIMEOUT_S", WAIT_S)
    monkeypatch.setattr(caller_vad, "FIRST_TIMEOUT_S", WAIT_S)
    Plugin.released.clear()
    yield
    Plugin.released.set()


def never() -> None:
    """Nothing here is bad enough to give up."""
    raise AssertionError("given up")


def model(make: Callable[[], object] = Plugin, most: int = 4) -> PluginPerCaller:
    """Return a model of few places."""
    return PluginPerCaller(make, most, never)


def test_hanging_instance_costs_its_caller_and_the_others_a_moment_once() -> None:
    """Who hangs is told lost within the bound; the others are judged, then at full speed."""
    judged = model()
    ill, well = judged.begin(), judged.begin()
    began = time.monotonic()
    assert judged.judge([ill, well], window(HANG, SPEECH)) == [None, 1.0]
    assert time.monotonic() - began < HUNG_S / 2
    judged.end(ill)
    began = time.monotonic()
    for _ in range(20):
        assert judged.judge([well], window(SILENCE)) == [0.0]
    assert time.monotonic() - began < 20 * WAIT_S


def test_raising_instance_costs_its_caller_only() -> None:
    """What a plugin raises is no answer, and it may be asked again."""
    judged = model()
    one, other = judged.begin(), judged.begin()
    assert judged.judge([one, other], window(FAIL, SPEECH)) == [None, 1.0]
    assert judged.judge([one, other], window(SPEECH, SILENCE)) == [1.0, 0.0]


def test_place_that_is_left_is_used_again() -> None:
    """Instances are bounded; one that was reset serves the next caller."""
    judged = model(most=2)
    rows = [judged.begin(), judged.begin()]
    with pytest.raises(TooManyCallers):
        judged.begin()
    judged.end(rows[0])
    assert judged.begin() is rows[0]
    with pytest.raises(TooManyCallers):
        judged.begin()


def test_plugin_that_hangs_when_it_is_made_is_given_up_in_time() -> None:
    """Nobody waits for an instance for ever, and late ones are still used."""
    made = []

    def make() -> Plugin:
        made.append(1)
        if len(made) > 1:
            Plugin.released.wait(HUNG_S)
        return Plugin()

    judged = model(make)
    well = judged.begin()
    began = time.monotonic()
    with pytest.raises(PluginHangs):
        judged.begin()
    assert time.monotonic() - began < HUNG_S / 2
    assert judged.judge([well], window(SPEECH)) == [1.0]
    Plugin.released.set()
    assert judged.judge([judged.begin()], window(SILENCE)) == [0.0]


def test_plugin_that_cannot_be_made_says_why_each_time() -> None:
    """A fault when it is made reaches whoever begins, and takes no place for good."""

    def make() -> Plugin:
        raise RuntimeError("no model")

    judged = model(make, most=2)
    for _ in range(5):
        with pytest.raises(RuntimeError, match="no model"):
            judged.begin()


def test_plugin_that_hangs_often_is_given_up() -> None:
    """Threads that hang cannot be ended; the process can."""
    given_up: list[bool] = []
    judged = PluginPerCaller(Plugin, MOST_HUNG + 2, lambda: given_up.append(True))
    rows = [judged.begin() for _ in range(MOST_HUNG)]
    assert judged.judge(rows[1:], window(*[HANG] * (MOST_HUNG - 1))) == [None] * (MOST_HUNG - 1)
    assert given_up == []
    judged.judge(rows[:1], window(HANG))
    assert given_up == [True]
