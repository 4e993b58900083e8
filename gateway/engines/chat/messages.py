"""A request to the brain as chat-completions messages, tools and choice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from realtime.engine import BrainRequest, ContextItem, FunctionSpec

Message = dict[str, Any]

NO_RESULT = "There is no result yet."
"""Chat endpoints refuse a call without an output; a caller may have spoken before it came."""


def chat_messages(request: BrainRequest) -> list[Message]:
    """Return the conversation as the endpoint reads it, instructions first."""
    messages: list[Message] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    outputs = {item.call_id: item for item in request.items if _is(item, "function_call_output")}
    called = {item.call_id for item in request.items if _is(item, "function_call")}
    for item in request.items:
        if item.kind == "message":
            _add_message(messages, item)
        elif item.kind == "function_call":
            output = outputs.get(item.call_id)
            _add_call(messages, item, NO_RESULT if output is None else output.text)
        elif item.call_id not in called:
            messages.append({"role": "system", "content": f"A function returned: {item.text}"})
    if not any(message["role"] != "system" for message in messages):
        messages.append({"role": "user", "content": "…"})
    return messages


def _is(item: ContextItem, kind: str) -> bool:
    return item.kind == kind


def _add_message(messages: list[Message], item: ContextItem) -> None:
    if item.images:
        parts: list[dict[str, Any]] = [{"type": "text", "text": item.text}] if item.text else []
        for image in item.images:
            shown = {"url": image.url, "detail": image.detail}
            parts.append({"type": "image_url", "image_url": shown})
        messages.append({"role": item.role, "content": parts})
    elif item.text:
        messages.append({"role": item.role, "content": item.text})


def _add_call(messages: list[Message], item: ContextItem, output: str) -> None:
    # Servers that read arguments would refuse the whole conversation for a word too few.
    arguments = item.text if is_object(item.text) else "{}"
    function = {"name": item.name, "arguments": arguments}
    call = {"id": item.call_id, "type": "function", "function": function}
    messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    messages.append({"role": "tool", "tool_call_id": item.call_id, "content": output})


def is_object(text: str) -> bool:
    """Say whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def chat_tools(tools: Iterable[FunctionSpec]) -> list[dict[str, Any]]:
    """Return the functions as the endpoint reads them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters) or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]


def chat_functions(request: BrainRequest, *, names_one: bool) -> dict[str, Any]:
    """Return the tools, the choice among them and whether calls may be parallel.

    A call is not forced again on the answer to one. An endpoint that cannot name one function
    is offered that one alone.
    """
    if not request.tools:
        return {}
    told: dict[str, Any] = {"tools": chat_tools(request.tools), "tool_choice": request.tool_choice}
    kind, _, name = request.tool_choice.partition(":")
    if kind in {"required", "function"} and _answers_call(request):
        told["tool_choice"] = "auto"
    elif kind == "function" and names_one:
        told["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif kind == "function":
        told["tools"] = chat_tools(tool for tool in request.tools if tool.name == name)
        told["tool_choice"] = "required"
    if not request.parallel_calls:  # otherwise what is the endpoint's default; some refuse the word
        told["parallel_tool_calls"] = False
    return told


def _answers_call(request: BrainRequest) -> bool:
    return bool(request.items) and request.items[-1].kind == "function_call_output"
