"""What is left of calls that ended: nothing that Python would find only later."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.sessions.calls import LEAST_COLLECTED, Calls


class Circle:
    """What refers to itself, as the parts of a connection do."""

    def __init__(self) -> None:
        self.itself = self


class Named:
    """As much of a call as its directory looks at."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """Python itself collects nothing meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def ended(calls: Calls, count: int) -> list[weakref.ref[Circle]]:
    """Have so many calls that end at once; return what each left."""
    left: list[weakref.ref[Circle]] = []

    async def serve(call_id: str) -> None:
        left.append(weakref.ref(Circle()))
        calls.remove(call_id)

    for number in range(count):
        call: Any = Named(f"rtc_{number}")
        calls.add(call, serve(call.call_id))
    while len(left) < count:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return left


async def test_memory_of_calls_is_free_when_some_have_ended() -> None:
    """Circles of objects are looked for after so many calls, not after as many objects."""
    calls = Calls(most=2 * LEAST_COLLECTED)
    async with asyncio.TaskGroup() as tasks:
        calls.live_in(tasks)
        few = await ended(calls, LEAST_COLLECTED - 1)
        assert all(one() is not None for one in few)
        await ended(calls, 1)
        assert all(one() is None for one in few)


async def test_many_live_calls_are_looked_at_seldom() -> None:
    """A look halts the loop for as long as there are calls, so as many have ended before."""
    calls, over = Calls(most=10 * LEAST_COLLECTED), asyncio.Event()

    async def serve() -> None:
        await over.wait()

    async with asyncio.TaskGroup() as tasks:
        calls.live_in(tasks)
        for number in range(2 * LEAST_COLLECTED):
            call: Any = Named(f"rtc_live_{number}")
            calls.add(call, serve())
        few = await ended(calls, LEAST_COLLECTED)
        assert all(one() is not None for one in few)
        await ended(calls, LEAST_COLLECTED)
        assert all(one() is None for one in few)
        over.set()
