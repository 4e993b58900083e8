"""The runner around a handler: timers, order, and what a fault of ours costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
import uvloop

from gateway.engines.echo import EchoBrain, ToneSynthesiser
from gateway.engines.engine import Engine
from gateway.limits.memory import MemoryRateLimits
from gateway.limits.port import Owner
from gateway.sessions.admission import Admission, Denied, LocalAdmission
from gateway.sessions.allowance import Allowance
from gateway.sessions.deadline import Deadline
from gateway.sessions.projection import PLAIN
from gateway.sessions.prompting import ProjectPrompts
from gateway.sessions.runner import SessionRunner
from gateway.tools.session import Tools
from realtime.engine import SessionFacts, SpeechFinished, ToolCall, ToolRoute
from realtime.events.mcp_items import McpExecutionError
from realtime.session.effects import CallTool, Close, Effect
from realtime.session.inputs import EndReason, Input, PlaybackCleared, Shutdown, ToolReturned


class Handler:
    """A handler that does what a test tells it."""

    def __init__(self, *, breaks_on: type | None = None) -> None:
        self.closed = False
        self.congested = False
        self.received: list[Input] = []
        self.expired_ms: list[int] = []
        self.due_ms: int | None = None
        self._breaks_on = breaks_on
        self._effects: list[Effect] = []

    def receive(self, given: Input, now_ms: int) -> None:
        if self._breaks_on is not None and isinstance(given, self._breaks_on):
            raise RuntimeError("a fault of ours")
        self.received.append(given)
        if isinstance(given, Shutdown):
            self.closed = True
            self._effects.append(Close(given.close_code, given.close_reason, given.reason))

    def effects(self) -> list[Effect]:
        made, self._effects = self._effects, []
        return made

    def deadline(self) -> int | None:
        return self.due_ms

    def expire(self, now_ms: int) -> None:
        self.expired_ms.append(now_ms)
        self.due_ms = None
        if self._breaks_on is Deadline:
            raise RuntimeError("a fault of ours")


class Client:
    """A controller that remembers."""

    projection = PLAIN

    def __init__(self) -> None:
        self.closed: tuple[int, str] | None = None

    def send(self, text: str) -> None:
        """Nothing is sent here."""

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


class Observer:
    """Of no interest here."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class NoTools:
    """An admission that denies whatever a tool does."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def admit_nowait(self, action: str, facts: Mapping[str, Any]) -> None:
        """It must be waited for."""

    async def admit(self, action: str, facts: Mapping[str, Any]) -> Denied:
        self.asked.append((action, facts))
        return Denied("tool_not_allowed", "Ask your administrator.", "dec_1")


def runner_of(
    handler: Handler, *, admission: Admission | None = None
) -> tuple[SessionRunner, Client]:
    """Return a runner and its one client."""
    engine = Engine(name="echo", brain=EchoBrain(), synthesiser=ToneSynthesiser())
    limits = MemoryRateLimits(
        requests_per_minute=9, tokens_per_minute=9_000, monotonic_s=lambda: 1.0
    )
    runner = SessionRunner(
        handler,
        engine,
        facts=SessionFacts(session_id="sess_1"),
        admission=admission or LocalAdmission(),
        allowance=Allowance(limits, Owner("org-1", "proj_1", "echo")),
        principal_facts={"project_id": "proj_1"},
        observer=Observer(),  # type: ignore[arg-type]
        spawn=lambda _: None,
        input_ring_bytes=1_000,
        item_audio_bytes=1_000,
        tools=Tools([], allowed_origins=[]),
        prompts=ProjectPrompts(None, "proj_1"),  # type: ignore[arg-type]
    )
    client = Client()
    runner.controllers.add(client)
    return runner, client


class TestTools:
    """Policy has a word in what tools do."""

    async def test_denied_tool_ends_in_an_error_that_says_why(self) -> None:
        """Admission knows whose session it is; the machine gets the call's end."""
        policy, handler = NoTools(), Handler()
        runner, _ = runner_of(handler, admission=policy)
        route = ToolRoute(executor="gateway", shown_as="nothing")
        call = ToolCall(
            call_id="call_1", response_id="resp_1", item_id="i", name="price",
            arguments="{}", route=route,
        )  # fmt: skip
        handler._effects.append(CallTool(call))
        runner.post(PlaybackCleared("resp_0", {}))
        async with asyncio.timeout(30):
            while not isinstance(handler.received[-1], ToolReturned):
                await asyncio.sleep(0.01)
        returned = handler.received[-1]
        assert isinstance(returned, ToolReturned)
        assert returned.error == McpExecutionError(
            message="Denied by policy (tool_not_allowed). Ask your administrator."
        )
        action, facts = policy.asked[0]
        assert (action, facts["project_id"], facts["tool"]) == ("tool.execute", "proj_1", "price")


class TestFaults:
    """What breaks in one session ends that session only."""

    async def test_report_that_breaks_the_session_ends_it_alone(self) -> None:
        """The engine's connection, which made the report, sees nothing of it."""
        runner, client = runner_of(Handler(breaks_on=SpeechFinished))
        runner.post(SpeechFinished("seg_1"))
        assert client.closed is not None
        assert client.closed[0] == 1011
        assert "fault of ours" not in client.closed[1]
        assert runner.closed
        assert runner.ended.is_set()
        assert runner.end_reason is EndReason.SERVER_FAULT

    async def test_deadline_that_breaks_the_session_ends_it(self) -> None:
        """A session must not hang because its timer died."""
        handler = Handler(breaks_on=Deadline)
        runner, client = runner_of(handler)
        handler.due_ms = runner.now_ms()
        runner.post(SpeechFinished("seg_1"))
        async with asyncio.timeout(30):
            await runner.ended.wait()
        assert client.closed is not None
        assert client.closed[0] == 1011

    async def test_session_that_broke_takes_nothing_more(self) -> None:
        """Its end is told once."""
        handler = Handler(breaks_on=SpeechFinished)
        runner, client = runner_of(handler)
        runner.post(SpeechFinished("seg_1"))
        client.closed = None
        runner.shutdown(EndReason.SERVER_SHUTDOWN)
        runner.post(SpeechFinished("seg_2"))
        assert client.closed is None
        assert runner.end_reason is EndReason.SERVER_FAULT


async def wait_for(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine on a loop of either kind; their timers differ."""

    def run_it(made: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(made)

    return run_it


class TestDeadline:
    """The one timer."""

    def test_instant_that_is_past_may_be_moved(
        self, run: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        """Being due already makes no other kind of timer."""

        async def scenario() -> None:
            calls: list[str] = []
            loop = asyncio.get_running_loop()
            deadline = Deadline(loop, lambda: calls.append("due"))
            now_ms = int(loop.time() * 1000)
            deadline.move(now_ms - 1_000)
            deadline.move(now_ms - 500)
            deadline.move(now_ms - 500)
            await wait_for(lambda: bool(calls))
            assert calls == ["due"]

        run(scenario())

    def test_instant_taken_back_is_not_called(
        self, run: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        """Nor the one it was moved from."""

        async def scenario() -> None:
            calls: list[str] = []
            loop = asyncio.get_running_loop()
            deadline = Deadline(loop, lambda: calls.append("early"))
            deadline.move(int(loop.time() * 1000))
            deadline.move(None)
            later: list[str] = []
            second = Deadline(loop, lambda: later.append("due"))
            second.move(int(loop.time() * 1000) + 1)
            await wait_for(lambda: bool(later))
            assert calls == []

        run(scenario())

    def test_session_expires_on_either_loop(
        self, run: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        """The handler is told no instant before its deadline."""

        async def scenario() -> None:
            handler = Handler()
            runner, _ = runner_of(handler)
            due = handler.due_ms = runner.now_ms() - 5
            runner.post(SpeechFinished("seg_1"))
            runner.post(SpeechFinished("seg_2"))
            await wait_for(lambda: bool(handler.expired_ms))
            assert handler.expired_ms[0] >= due

        run(scenario())
