"""A chat-completions server that does what its model's name says: `python -m tests.servers.chat`.

Prints its port. Streams as OpenAI's endpoint does: `data: {chunk}` lines, the usage in a last
chunk without choices, then `data: [DONE]`. `GET /asked` returns the bodies it was sent, `GET /left`
how many answers were not read to their end. The model `by-text` does what the user's text says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

ROOT = Path(__file__).parents[2]
WORDS = "The time is ten past nine. It is a fine morning, I think."
WEATHER = '{"place":"Paris","days":2,"unit":"celsius"}'
TOKEN_S = 0.002
FIRST_TOKEN_S, PACED_TOKEN_S = 0.3, 0.03
PACED_WORDS = (
    "Once upon a time, there was a lighthouse on a small island. Its keeper read every book that "
    "the sea brought him. One day a letter came with his own name on it."
)
HUGE_BYTES = 15 * 1024 * 1024
UNCOUNTED = {"ollama-parallel", "ollama-old", "no-done"}
"""Scenarios whose server counts nothing in a stream."""

REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "too-long": (400, {"type": "invalid_request_error", "code": "context_length_exceeded"}),
    "too-long-llama": (400, {"type": "exceed_context_size_error", "code": 400}),
    "no-credit": (429, {"type": "insufficient_quota", "code": "insufficient_quota"}),
}
"""OpenAI's words, and llama.cpp's (tools/server/server-common.cpp)."""

USAGE = {
    "prompt_tokens": 42, "completion_tokens": 13, "total_tokens": 55,
    "prompt_tokens_details": {"cached_tokens": 32},
}  # fmt: skip


class Chat:
    """The endpoint."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.refusals = 0
        self.left = 0
        """Answers whose reader went away."""

    async def complete(self, request: Request) -> Response:
        """Answer by the model's name."""
        body = await request.json()
        self.asked.append(body)
        self.heads.append({**request.headers, "query": request.url.query, "path": request.url.path})
        scenario = self._scenario(body)
        if scenario == "busy-once" and self.refusals == 0:
            self.refusals += 1
            return JSONResponse(
                {"error": {"message": "slow down", "type": "rate_limit"}},
                status_code=429,
                headers={"retry-after-ms": "50"},
            )
        if scenario == "fails-once" and self.refusals == 0:
            self.refusals += 1
            return JSONResponse({"error": {"message": "secret"}}, status_code=400)
        if scenario.isdigit():
            status = int(scenario)
            return JSONResponse({"error": {"message": "secret"}}, status_code=status)
        if scenario in REFUSALS:
            status, fault = REFUSALS[scenario]
            return JSONResponse({"error": {"message": "secret", **fault}}, status_code=status)
        if scenario == "hangs-up":
            raise ConnectionResetError
        if scenario == "no-headers":
            await asyncio.sleep(3_600)
        wire = getattr(Wires, scenario.replace("-", "_"), None)
        if wire is not None:
            return StreamingResponse(
                self._events(self._spoken(wire, body), body), media_type="text/event-stream"
            )
        chunks = getattr(self, f"_{scenario.replace('-', '_')}", self._words)(body)
        return StreamingResponse(self._events(chunks, body), media_type="text/event-stream")

    def _scenario(self, body: dict[str, Any]) -> str:
        """The model `by-text` does what the last message's first word says."""
        if body["model"] != "by-text":
            return str(body["model"])
        last = body["messages"][-1]
        words = str(last["content"]).split() if last["role"] == "user" else []
        return words[0] if words else "words"

    async def _events(self, chunks: AsyncIterator[Any], body: dict[str, Any]) -> AsyncIterator[str]:
        whole = False
        try:
            async for event in self._stream(chunks, body):
                yield event
            whole = True
        finally:
            self.left += not whole

    async def _stream(self, chunks: AsyncIterator[Any], body: dict[str, Any]) -> AsyncIterator[str]:
        async for chunk in chunks:
            if isinstance(chunk, str):
                yield chunk
                continue
            yield self._event(body, choices=[{"index": 0, **chunk}])
        counts = body["model"] not in UNCOUNTED
        if counts and body.get("stream_options", {}).get("include_usage"):
            yield self._event(body, choices=[], usage=USAGE)
        if body["model"] != "no-done":  # llama-cpp-python among others has left it out
            yield "data: [DONE]\n\n"

    def _event(self, body: dict[str, Any], **fields: Any) -> str:
        chunk = {
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": body["model"], **fields,
        }  # fmt: skip
        return f"data: {json.dumps(chunk)}\n\n"

    async def _spoken(self, wire: Any, body: dict[str, Any]) -> AsyncIterator[Any]:
        def event(*, delta: Any = None, finish_reason: Any = None, **fields: Any) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            return self._event(body, **({"choices": [choice]} | fields))

        for text in wire(event):
            await asyncio.sleep(TOKEN_S)
            yield text

    # --- scenarios ---

    async def _words(self, body: dict[str, Any]) -> AsyncIterator[Any]:
        choice = body.get("tool_choice", "auto")
        last = body["messages"][-1]
        if body.get("tools") and choice not in ("auto", "none"):
            async for chunk in self._calls(_forced(body)):
                yield chunk
            return
        text = f"It says {last['content']}." if last["role"] in {"tool", "system"} else WORDS
        async for chunk in self._say(text, body.get("max_tokens")):
            yield chunk

    async def _say(self, text: str, most: int | None = None) -> AsyncIterator[Any]:
        yield {"delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        tokens = [token + " " for token in text.split()]
        for token in tokens[:most]:
            await asyncio.sleep(TOKEN_S)
            yield {"delta": {"content": token}, "finish_reason": None}
        cut = most is not None and most < len(tokens)
        yield {"delta": {}, "finish_reason": "length" if cut else "stop"}

    async def _weather(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        async for chunk in self._calls(("weather", WEATHER)):
            yield chunk

    async def _calls(self, *calls: tuple[str, str]) -> AsyncIterator[Any]:
        for index, (name, text) in enumerate(calls):
            started = {"index": index, "id": f"call_{index}", "type": "function"}
            yield self._tool({**started, "function": {"name": name, "arguments": ""}})
            for place in range(0, len(text), 7):
                function = {"arguments": text[place : place + 7]}
                yield self._tool({"index": index, "function": function})
        yield {"delta": {}, "finish_reason": "tool_calls"}

    def _tool(self, call: dict[str, Any]) -> dict[str, Any]:
        return {"delta": {"tool_calls": [call]}, "finish_reason": None}

    async def _two_calls(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        async for chunk in self._calls(("weather", '{"place":"A"}'), ("weather", '{"place":"B"}')):
            yield chunk

    async def _ask_skills(self, body: dict[str, Any]) -> AsyncIterator[Any]:
        if body["messages"][-1]["role"] == "tool":
            async for chunk in self._words(body):
                yield chunk
            return
        async for chunk in self._calls(("ask_skills", '{"utterance":"what time is it"}')):
            yield chunk

    async def _unknown_call(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        async for chunk in self._calls(("no_such_thing", "{}")):
            yield chunk

    async def _malformed_call(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        async for chunk in self._calls(("weather", '{"place": ')):
            yield chunk

    async def _translates(self, body: dict[str, Any]) -> AsyncIterator[Any]:
        """Every language is its source in angle brackets."""
        async for chunk in self._say(f"<{body['messages'][-1]['content']}>."):
            yield chunk

    async def _filtered(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"delta": {"content": "I would "}, "finish_reason": None}
        yield {"delta": {}, "finish_reason": "content_filter"}

    async def _drops(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"delta": {"content": "Half of an "}, "finish_reason": None}
        await asyncio.sleep(TOKEN_S)
        raise ConnectionResetError

    async def _ends_early(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"delta": {"content": "Half of an "}, "finish_reason": None}

    async def _hangs(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"delta": {"content": "Wait "}, "finish_reason": None}
        await asyncio.sleep(3_600)

    async def _silent(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        await asyncio.sleep(3_600)
        yield {}

    async def _garbage(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield "data: {nonsense\n\n"

    async def _one_huge_token(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"delta": {"content": "far " * (HUGE_BYTES // 4)}, "finish_reason": None}
        yield {"delta": {}, "finish_reason": "stop"}

    async def _one_long_token(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"delta": {"content": "Dr. " * 50_000}, "finish_reason": None}
        yield {"delta": {}, "finish_reason": "stop"}

    async def _huge_line(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        for _ in range(HUGE_BYTES // 65_536):
            yield "x" * 65_536

    async def _endless(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        while True:
            await asyncio.sleep(0)
            yield {"delta": {"content": "and so on " * 100}, "finish_reason": None}

    async def _huge_call(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        function = {"name": "weather", "arguments": "9" * 300_000}
        yield self._tool({"index": 0, "id": "call_0", "type": "function", "function": function})
        yield {"delta": {}, "finish_reason": "tool_calls"}

    async def _paced(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        yield {"delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        await asyncio.sleep(FIRST_TOKEN_S - PACED_TOKEN_S)
        for token in PACED_WORDS.split():
            await asyncio.sleep(PACED_TOKEN_S)
            yield {"delta": {"content": token + " "}, "finish_reason": None}
        yield {"delta": {}, "finish_reason": "stop"}

    async def _slow(self, _body: dict[str, Any]) -> AsyncIterator[Any]:
        for token in ["One moment, ", "please. ", "Here ", "it ", "is."]:
            await asyncio.sleep(0.2)
            yield {"delta": {"content": token}, "finish_reason": None}
        yield {"delta": {}, "finish_reason": "stop"}


CALLS = ("weather", '{"place":"A"}'), ("weather", '{"place":"B"}')


class Wires:
    """The same protocol as other servers speak it; each from its public source.

    `chunk` is a whole event, `delta` what is new in the first choice.
    """

    @staticmethod
    def openai(event: Any) -> Iterator[str]:
        """OpenAI: null content with the role, a refusal in words of its own, usage null till the end."""
        yield event(delta={"role": "assistant", "content": None, "refusal": None}, usage=None)
        yield event(delta={"refusal": "I cannot "}, usage=None)
        yield event(delta={"refusal": "help with that."}, usage=None)
        yield event(delta={}, finish_reason="stop", usage=None)

    @staticmethod
    def azure(event: Any) -> Iterator[str]:
        """Azure with its filter beside the stream: chunks without choices, choices without a delta.

        microsoft/autogen#6465, openai/openai-python#1677, langchain-ai/langchain#18977.
        """
        safe = {"hate": {"filtered": False, "severity": "safe"}}
        prompt = [{"prompt_index": 0, "content_filter_results": safe}]
        blank = {"id": "", "object": "", "created": 0, "model": ""}
        yield event(choices=[], prompt_filter_results=prompt, usage=None, **blank)
        yield event(delta={"role": "assistant", "content": "", "refusal": None})
        for word in WORDS.split(" "):
            yield event(delta={"content": f"{word} "})
        offsets = {"check_offset": 44, "start_offset": 44, "end_offset": 198}
        bare = {"index": 0, "content_filter_results": safe, "content_filter_offsets": offsets}
        yield event(choices=[{**bare, "finish_reason": None}], **blank)
        yield event(delta={}, finish_reason="stop")
        yield event(choices=[{**bare, "finish_reason": None}], **blank)

    @staticmethod
    def ollama(event: Any) -> Iterator[str]:
        """Ollama: the role again with each word, thoughts in `reasoning` (openai/openai.go, ToChunk)."""
        role = {"role": "assistant", "content": ""}
        yield event(delta={**role, "reasoning": "They want to know the time."})
        for word in WORDS.split(" "):
            yield event(delta={**role, "content": f"{word} "})
        yield event(delta=role, finish_reason="stop")

    @staticmethod
    def ollama_parallel(event: Any) -> Iterator[str]:
        """Ollama: each call whole in one piece, all with the index 0 (openai/openai.go, ToToolCalls)."""
        for number, (name, text) in enumerate(CALLS):
            function = {"name": name, "arguments": text}
            call = {"id": f"call_{number}", "index": 0, "type": "function", "function": function}
            yield event(delta={"role": "assistant", "content": "", "tool_calls": [call]})
        yield event(delta={"role": "assistant", "content": ""}, finish_reason="stop")

    @staticmethod
    def ollama_old(event: Any) -> Iterator[str]:
        """Ollama before 0.5: calls without an index, all in one chunk (ollama/ollama#7881); no ids."""
        calls = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in CALLS]
        yield event(delta={"role": "assistant", "content": "", "tool_calls": calls})
        yield event(delta={"role": "assistant", "content": ""}, finish_reason="stop")

    @staticmethod
    def llama_cpp(event: Any) -> Iterator[str]:
        """llama.cpp: thoughts, the finish on its own, `timings` (tools/server/server-task.cpp)."""
        yield event(delta={"role": "assistant", "content": None})
        yield event(delta={"reasoning_content": "They want "})
        yield event(delta={"reasoning_content": "to know the time."})
        for word in WORDS.split(" "):
            yield event(delta={"content": f"{word} "}, timings={"predicted_n": 1})
        yield event(delta={}, finish_reason="stop", timings={"predicted_n": 13})

    @staticmethod
    def llama_cpp_calls(event: Any) -> Iterator[str]:
        """llama.cpp: name and id first, then arguments alone, no content (server-chat.cpp)."""
        yield event(delta={"role": "assistant", "content": None})
        for index, (name, text) in enumerate(CALLS):
            started = {"index": index, "id": f"c{index}", "type": "function"}
            yield event(delta={"tool_calls": [{**started, "function": {"name": name}}]})
            for letter in text:
                piece = {"index": index, "function": {"arguments": letter}}
                yield event(delta={"tool_calls": [piece]})
        yield event(delta={}, finish_reason="tool_calls")

    @staticmethod
    def vllm_named(event: Any) -> Iterator[str]:
        """vLLM: a named call ends with `stop` (vllm#25054); each piece named its function again,
        with another id (DeltaToolCall of its protocol.py until 2025).
        """
        for place, letter in enumerate(CALLS[0][1]):
            function = {"name": "weather", "arguments": letter}
            call = {"index": 0, "id": f"chatcmpl-tool-{place}", "type": "function"}
            yield event(delta={"tool_calls": [{**call, "function": function}]})
        yield event(delta={"content": ""}, finish_reason="stop")

    @staticmethod
    def error_within(event: Any) -> Iterator[str]:
        """An error as an event after a status of 200, as vLLM and llama.cpp tell it."""
        del event
        fault = {"message": "secret", "type": "server_error", "code": 503}
        yield f"data: {json.dumps({'error': fault})}\n\n"


def _forced(body: dict[str, Any]) -> tuple[str, str]:
    """Return the call that is asked for: the named function, else the first."""
    functions = {tool["function"]["name"]: tool["function"] for tool in body["tools"]}
    choice = body["tool_choice"]
    name = choice["function"]["name"] if isinstance(choice, dict) else next(iter(functions))
    if name == "weather":
        return name, WEATHER
    schema = functions[name].get("parameters") or {}
    made = {key: _fitting(part) for key, part in schema.get("properties", {}).items()}
    return name, json.dumps(made)


def _fitting(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") in {"integer", "number"}:
        return schema.get("minimum", 1)
    return {"boolean": True, "array": [], "object": {}}.get(schema.get("type", ""), "Bern")


def app() -> Starlette:
    """Return the server."""
    chat = Chat()
    models = {"object": "list", "data": [{"id": "words", "object": "model", "created": 1}]}

    async def asked(_: Request) -> Response:
        return JSONResponse(chat.asked)

    async def heads(_: Request) -> Response:
        return JSONResponse(chat.heads)

    async def left(_: Request) -> Response:
        return JSONResponse(chat.left)

    async def listed(_: Request) -> Response:
        return JSONResponse(models)

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat.complete, methods=["POST"]),
            Route("/v1/models", listed),
            Route("/openai/deployments/{name}/chat/completions", chat.complete, methods=["POST"]),
            Route("/asked", asked),
            Route("/heads", heads),
            Route("/left", left),
        ]
    )


class ChatServer:
    """One that runs as its own process."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.url = f"{self.origin}/v1"

    def asked(self) -> list[dict[str, Any]]:
        """Return the bodies it was sent."""
        with urlopen(f"{self.origin}/asked", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def heads(self) -> list[dict[str, str]]:
        """Return the headers of each request, with its path and query."""
        with urlopen(f"{self.origin}/heads", timeout=30) as answer:
            found: list[dict[str, str]] = json.load(answer)
        return found

    def left(self) -> int:
        """Return how many answers nobody read to the end."""
        with urlopen(f"{self.origin}/left", timeout=30) as answer:
            return int(json.load(answer))


@contextmanager
def running() -> Iterator[ChatServer]:
    """Start one on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.chat"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield ChatServer(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Serve until killed."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app(), log_level="critical")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
