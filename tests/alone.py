"""Tests that measure real time run while no other process of the run tests anything."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID")


@contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    with Path(tempfile.gettempdir(), f"voiceengine-{RUN}.{name}").open("w") as file:
        fcntl.flock(file, how)
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have the machine with all others, or alone; outermost, so no limit runs meanwhile."""
    if RUN is None:
        return (yield)
    alone = item.get_closest_marker("alone") is not None
    with ExitStack() as room:
        # Who waits to be alone holds the door: others who come and go could keep it out for ever.
        with _locked("door", fcntl.LOCK_EX):
            room.enter_context(_locked("room", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        return (yield)
