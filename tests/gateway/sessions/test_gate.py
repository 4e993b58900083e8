"""An event that costs nothing until somebody waits."""

from __future__ import annotations

import asyncio

import pytest

from gateway.sessions.gate import Gate


async def test_everybody_who_waits_is_let_through() -> None:
    """All at once, and whoever comes later at once."""
    gate = Gate()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not gate.is_set()
    gate.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
        await gate.wait()


async def test_cleared_gate_makes_wait_again() -> None:
    """Until it opens the next time."""
    gate = Gate(is_open=True)
    gate.clear()
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    await waiting


async def test_waiter_that_gave_up_is_no_hindrance() -> None:
    """It is passed over."""
    gate = Gate()
    gone, there = asyncio.create_task(gate.wait()), asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    gate.set()
    await there
