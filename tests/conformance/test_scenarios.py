"""What a scenario makes of servers that do not keep to the contract."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from conformance.report import verdict
from conformance.wire import answers, handshake, transcription
from conformance.wire.endpoint import Endpoint
from conformance.wire.scenario import Outcome, Scenario, play

Behaviour = Callable[[ServerConnection], Awaitable[Any]]
FRESH = Scenario("fresh", "CONTRACT 5", handshake.fresh_session, needs_speech=False)
WRITTEN = Scenario("written", "CONTRACT 8.1", answers.written_turn, needs_speech=False)
HEARING = Scenario("hearing", "CONTRACT 12", transcription.fresh_session, needs_speech=False)
STREAMED = Scenario("streamed", "CONTRACT 12", transcription.streamed, needs_speech=True)
BY_SECRET = Scenario("secret", "CONTRACT 12", transcription.by_secret, needs_speech=False)
CREATED = json.dumps({"type": "session.created", "event_id": "event_1", "session": {}})
UPDATED = json.dumps({"type": "session.updated", "event_id": "event_2", "session": {}})
CONFIGURED = json.dumps({"type": "session.updated", "session": {"audio": {"input": {}}}})
ADDED = {"type": "conversation.item.added", "event_id": "event_3", "item": {}}
DONE = {"type": "conversation.item.done", "event_id": "event_4", "item": {}}
DELTA = json.dumps({"type": transcription.DELTA, "event_id": "event_5", "item_id": "item_1"})
COMMITTED = json.dumps({"type": "input_audio_buffer.committed", "event_id": "event_6"})
CONVERSES = json.dumps({"type": "session.created", "session": {"type": "realtime"}})
REFUSED = {"type": "error", "error": {"code": "nope", "message": "no"}}


async def outcome_of(behaviour: Behaviour, scenario: Scenario) -> Outcome:
    """Play a scenario against a server that does one thing to every client."""

    async def serve_one(socket: ServerConnection) -> None:
        await behaviour(socket)
        await socket.wait_closed()

    async with serve(serve_one, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "sk-x", timeout_s=0.3)
        outcome, _ = await play(scenario, endpoint)
    return outcome


async def say_nothing(socket: ServerConnection) -> None:
    """Leave the client waiting."""


def sends(*frames: str | bytes) -> Behaviour:
    """Send frames whatever the client does."""

    async def behaviour(socket: ServerConnection) -> None:
        for frame in frames:
            await socket.send(frame)

    return behaviour


async def leave(socket: ServerConnection) -> None:
    """Drop the connection without a CLOSE."""
    socket.transport.abort()


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (say_nothing, "no event for"),
        (leave, "the connection was lost"),
        (sends(CREATED.encode()), "a BINARY frame"),
        (sends("[1]"), "not an event"),
        (sends("{"), "cannot be read"),
        (sends(json.dumps(REFUSED)), "the first event is error"),
        (sends(CREATED), "cannot be read: KeyError"),
    ],
    ids=["silent", "vanishing", "binary", "no object", "no JSON", "refusing", "empty session"],
)
async def test_server_at_fault_fails_the_scenario(behaviour: Behaviour, told: str) -> None:
    """Whatever a server does, the scenario ends with a reason and never with an exception."""
    outcome = await outcome_of(behaviour, FRESH)
    assert outcome.state == "fail"
    assert told in outcome.reason


@pytest.mark.parametrize(
    ("frames", "scenario", "told"),
    [
        ([CONVERSES], HEARING, "session.type is 'realtime', expected 'transcription'"),
        ([CREATED, CONFIGURED], STREAMED, "no event for"),
        ([CREATED, CONFIGURED, COMMITTED, DELTA], STREAMED, "what comes before the commit"),
        ([], BY_SECRET, "the connection was lost"),
    ],
    ids=["a conversation", "no words", "words after the commit", "no REST"],
)
async def test_server_that_transcribes_wrongly_is_told(
    frames: list[str], scenario: Scenario, told: str
) -> None:
    """Transcription is held to its own rules."""
    outcome = await outcome_of(sends(*frames), scenario)
    assert outcome.state == "fail"
    assert told in outcome.reason


async def test_wrong_order_is_told_with_the_expected_one() -> None:
    """A response that lacks an event names what came and what should have come."""
    response = {"type": "response.done", "response": {"status": "completed"}}
    frames = [CREATED, UPDATED, *map(json.dumps, (ADDED, DONE, response))]
    outcome = await outcome_of(sends(*frames), WRITTEN)
    assert outcome.state == "fail"
    assert "order is ['response.done'], expected ['response.created'," in outcome.reason


async def test_unexpected_error_event_fails_the_scenario() -> None:
    """An `error` where an answer should come is told with its body."""
    outcome = await outcome_of(sends(CREATED, UPDATED, json.dumps(REFUSED)), WRITTEN)
    assert outcome.state == "fail"
    assert "error instead of conversation.item.done" in outcome.reason


@pytest.mark.parametrize(
    ("states", "code"),
    [(["pass", "not run"], 0), (["pass", "fail"], 1), (["not run", "fail"], 1), (["not run"], 2)],
)
def test_exit_code_is_decided_by_failures_first(states: list[Any], code: int) -> None:
    """0 passed, 1 differs, 2 nothing ran."""
    assert verdict([Outcome("suite", "rule", state) for state in states]) == code
