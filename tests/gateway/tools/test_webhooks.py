"""The operator's tools against a real HTTP endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.settings import WebhookTool
from gateway.tools.guard import Guard
from gateway.tools.webhooks import Webhook
from realtime.engine import ToolCall
from realtime.events.mcp_items import McpError, McpExecutionError, McpHttpError

Answer = tuple[int, str]


class Endpoint:
    """Answers each request with the next of its answers, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [(200, '{"price": 3}')]
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.port = 0
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, _, value in (row.partition(": ") for row in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.asked.append((headers, json.loads(body)))
        if self.silent:
            await reader.read()  # until the other side leaves
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status:
            reply = f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\nConnection: close\r\n"
            writer.write(f"{reply}\r\n{text}".encode())
        writer.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """An endpoint on a free port."""
    made = Endpoint()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def called(endpoint: Endpoint, arguments: dict[str, Any], **tool: Any) -> str | McpError:
    """Call a tool that looks prices up."""
    origin = f"http://127.0.0.1:{endpoint.port}"
    wanted = {"type": "object", "required": ["article"]}
    setting = WebhookTool(name="price", url=f"{origin}/price", parameters=wanted, **tool)
    webhook = Webhook(setting, Guard([origin]))
    call = ToolCall(
        call_id="call_1", response_id="resp_1", item_id="i", name="price", arguments="",
        route=webhook.function().route,
    )  # fmt: skip
    made = await webhook.call(call, arguments, session_id="sess_1")
    await webhook.close()
    return made


async def test_call_posts_arguments_and_returns_the_answer(endpoint: Endpoint) -> None:
    """The endpoint gets arguments, call and session, and the operator's headers."""
    made = await called(endpoint, {"article": "tea"}, headers={"X-Key": "secret"})
    assert made == '{"price": 3}'
    headers, body = endpoint.asked[0]
    assert headers["x-key"] == "secret"
    assert body["arguments"] == {"article": "tea"}
    assert (body["tool"], body["call_id"], body["session_id"]) == ("price", "call_1", "sess_1")


async def test_arguments_that_do_not_fit_are_not_sent(endpoint: Endpoint) -> None:
    """What the schema refuses never reaches the endpoint."""
    assert isinstance(await called(endpoint, {}), McpExecutionError)
    assert endpoint.asked == []


async def test_failure_is_repeated_under_the_same_idempotency_key(endpoint: Endpoint) -> None:
    """A broken connection and a 503 are tried again; the endpoint can tell that it is one call."""
    endpoint.answers = [(0, ""), (503, ""), (200, "ok")]
    assert await called(endpoint, {"article": "tea"}) == "ok"
    keys = {headers["idempotency-key"] for headers, _ in endpoint.asked}
    assert (len(endpoint.asked), keys) == (3, {"resp_1.call_1"})


def test_deadline_leaves_time_for_every_attempt_and_the_pauses_between() -> None:
    """The machine gives a call up only when the webhook itself would have."""
    tool = WebhookTool(name="slow", url="https://x.example", timeout_s=3, retries=5)
    deadline_ms = Webhook(tool, Guard()).function().route.deadline_ms
    assert deadline_ms == 6 * 3_000 + 7_750 + 2_000


async def test_endpoint_that_never_answers_is_left_after_its_timeout(endpoint: Endpoint) -> None:
    """Each attempt has its own; then the call fails in words that tell nothing internal."""
    endpoint.silent = True
    made = await called(endpoint, {"article": "tea"}, timeout_s=0.05, retries=1)
    assert made == McpExecutionError(message="The tool cannot be reached.")
    assert len(endpoint.asked) == 2


async def test_refusal_of_the_endpoint_is_told_and_not_repeated(endpoint: Endpoint) -> None:
    """A 400 is final."""
    endpoint.answers = [(400, "no")]
    made = await called(endpoint, {"article": "tea"})
    assert isinstance(made, McpHttpError)
    assert (made.code, len(endpoint.asked)) == (400, 1)


async def test_redirect_is_not_followed(endpoint: Endpoint) -> None:
    """Nobody leads the gateway elsewhere."""
    endpoint.answers = [(302, "")]
    assert isinstance(await called(endpoint, {"article": "tea"}), McpHttpError)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("answer", ['{"price": "three"}', "three"])
async def test_result_that_does_not_fit_its_schema_is_an_error(
    endpoint: Endpoint, answer: str
) -> None:
    """The model never reads what the operator did not describe."""
    endpoint.answers = [(200, answer)]
    schema = {"type": "object", "properties": {"price": {"type": "number"}}}
    assert isinstance(await called(endpoint, {"article": "t"}, result=schema), McpExecutionError)
