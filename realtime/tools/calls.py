"""A function call made without a language model, as reports of a brain."""

from __future__ import annotations

import json

from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainReport,
    BrainRequest,
    FunctionSpec,
)
from realtime.tools.arguments import arguments_for

NAMED = "function:"


def forced_function(request: BrainRequest) -> FunctionSpec | None:
    """Return the function that `tool_choice` demands, if it demands one.

    After a function's output nothing is demanded any more: the answer is due.
    """
    if request.items and request.items[-1].kind == "function_call_output":
        return None
    choice = request.tool_choice
    if choice == "required" and request.tools:
        return request.tools[0]
    if choice.startswith(NAMED):
        name = choice[len(NAMED) :]
        return next((tool for tool in request.tools if tool.name == name), None)
    return None


def last_question(request: BrainRequest) -> str:
    """Return what the user said last."""
    said = [item.text for item in request.items if item.role == "user" and item.text]
    return said[-1] if said else ""


def last_output(request: BrainRequest) -> str | None:
    """Return the output of the function whose answer is due, if one is."""
    last = request.items[-1] if request.items else None
    return last.text if last is not None and last.kind == "function_call_output" else None


def call_reports(request: BrainRequest, function: FunctionSpec) -> list[BrainReport]:
    """Return the reports of a call with arguments that satisfy its schema."""
    made = arguments_for(function.parameters, last_question(request))
    text = json.dumps(made, separators=(",", ":"), ensure_ascii=False)
    # Unique among calls of a conversation, since response ids are.
    call_id = f"call_{request.response_id.removeprefix('resp_')[:16]}"
    return [
        BrainCallStarted(request.response_id, call_id, function.name),
        BrainCallArguments(request.response_id, call_id, text),
        BrainCallFinished(request.response_id, call_id),
    ]
