"""Which functions a brain is told of, by which names, and how many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from realtime.engine import FunctionSpec
from realtime.tools.mcp import brain_name


def with_actions(
    own: Iterable[FunctionSpec], actions: Iterable[FunctionSpec], *, only: bool
) -> tuple[FunctionSpec, ...]:
    """Return the client's functions; what is an action has the operator's schema and check.

    Args:
        own: as the client declared them.
        actions: the commands that its interface may declare, by name (ADR 0019).
        only: it may declare no other function.
    """
    known = {action.name: action for action in actions}
    return tuple(
        replace(known[function.name], description=_described(function, known[function.name]))
        if function.name in known
        else function
        for function in own
        if function.name in known or not only
    )


def _described(function: FunctionSpec, action: FunctionSpec) -> str:
    return action.description or function.description


def named(own: Iterable[FunctionSpec], more: Iterable[FunctionSpec]) -> tuple[FunctionSpec, ...]:
    """Return every function under a name of its own; the client's keep theirs."""
    found = {function.name: function for function in own}
    for function in more:
        name = brain_name(function.name, function.route.server_label or "gateway", found)
        found[name] = replace(function, name=name)
    return tuple(found.values())


def bounded(tools: tuple[FunctionSpec, ...], choice: str, *, most: int) -> tuple[FunctionSpec, ...]:
    """Return the first so many functions, and the one that must be called."""
    if len(tools) <= most:
        return tools
    wanted = choice.removeprefix("function:")
    kept = [tool for tool in tools if tool.name == wanted]
    return (*[tool for tool in tools if tool.name != wanted][: most - len(kept)], *kept)
