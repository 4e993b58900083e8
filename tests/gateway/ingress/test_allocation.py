"""Who keeps an allocation at a relay: the call that won it; every other is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from gateway.ingress.webrtc import relays as subject
from gateway.ingress.webrtc.network import Network, Relays
from gateway.ingress.webrtc.relays import Allocation, allocate
from gateway.settings import IceServer, Settings


class Transport:
    """An allocation's end that is ours."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        """Give it back."""
        self.closed = True


class Held:
    """What a relay gave."""

    def __init__(self) -> None:
        self.transport = Transport()

    async def close(self) -> None:
        """Give it back, and wait for a relay that does not answer."""
        self.transport.close()
        await asyncio.sleep(3_600)


class Farm:
    """Relays that answer when the test says so, some of them in the moment they are given up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
        urls = [f"turn:{host}" for host in hosts]
        found = Network(Settings(turn_urls=urls, turn_secret="north")).relays()
        assert found is not None
        self.relays: Relays = found
        self.answers = {host: asyncio.Event() for host in hosts}
        self.given: dict[str, Held] = {}
        self.late: set[str] = set()
        monkeypatch.setattr(subject, "ask", self._ask)
        monkeypatch.setattr(subject, "HEAD_START_S", 0)

    async def _ask(self, server: IceServer, _relays: Relays, _made: Callable[[], Any]) -> Any:
        try:
            await self.answers[server.host].wait()
        except asyncio.CancelledError:
            if server.host not in self.late:
                raise
        held = self.given[server.host] = Held()
        return (server.host, held)

    def allocating(self) -> asyncio.Task[Allocation | None]:
        """Begin."""
        return asyncio.create_task(allocate(self.relays, cast("Any", None)))


async def turns() -> None:
    """Let everything happen that is ready to."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_first_of_two_that_answer_together_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call does not wait until the other one has taken its own back."""
    farm = Farm(monkeypatch, "a", "b")
    allocating = farm.allocating()
    await turns()
    farm.answers["a"].set()
    farm.answers["b"].set()
    async with asyncio.timeout(30):
        won = await allocating
    await turns()
    assert won is not None
    assert cast("Any", won[1]) is farm.given["a"]
    assert not farm.given["a"].transport.closed
    assert farm.given["b"].transport.closed


async def test_caller_who_leaves_leaves_no_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had answered by then, or did in that very moment."""
    farm = Farm(monkeypatch, "a", "b")
    farm.late = {"a", "b"}
    allocating = farm.allocating()
    await turns()
    farm.answers["a"].set()
    await asyncio.sleep(0)
    allocating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await allocating
    await turns()
    assert {host: held.transport.closed for host, held in farm.given.items()} == {
        "a": True,
        "b": True,
    }


async def test_clock_that_runs_out_beside_a_loser_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The winner is not lost while a loser that does not end is given up."""
    farm = Farm(monkeypatch, "a", "b")
    farm.late = {"b"}
    allocating = farm.allocating()
    await turns()
    farm.answers["a"].set()
    for _ in range(3):
        await asyncio.sleep(0)
        allocating.cancel()
    ended = (await asyncio.gather(allocating, return_exceptions=True))[0]
    await turns()
    kept = [host for host, held in farm.given.items() if not held.transport.closed]
    assert kept == (["a"] if isinstance(ended, tuple) else [])


async def test_no_relay_gives_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals of all are none."""
    farm = Farm(monkeypatch, "a", "b")

    async def refuse(*_: Any) -> Allocation:
        raise ConnectionRefusedError

    monkeypatch.setattr(subject, "ask", refuse)
    assert await farm.allocating() is None
