"""How a relayed session begins: what a client secret binds, and what a call's form adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from realtime.prompts import Prompted
from realtime.relay.inputs import Json
from realtime.relay.prompts import with_prompt
from realtime.session.merging import merged_session
from realtime.tools.mcp import SECRET_FIELDS, defined

_OF_PROMPTS: Final[tuple[str, ...]] = ("instructions", "tools")
_UNSET: Final = ("tracing",)
"""Defaults that say that nobody has said anything yet."""


@dataclass(frozen=True, slots=True)
class Given:
    """A session that somebody asks for, and what its prompt supplies, if it is known here."""

    session: Json
    supplied: Prompted | None


def begun(given: Sequence[Given]) -> dict[str, Any]:
    """Return what a session begins with: each of these as if it came as an update (CONTRACT 6)."""
    plain: dict[str, Any] = {}
    session: dict[str, Any] = {}
    for one in given:
        if "prompt" in one.session:  # a former one goes, and its words with it
            kept = {name: held for name, held in session.items() if name not in _OF_PROMPTS}
            session = kept | {name: plain[name] for name in _OF_PROMPTS if name in plain}
        filled = one.session if one.supplied is None else with_prompt(one.session, one.supplied)
        session = merged_session(session, filled)
        plain = merged_session(plain, one.session)
    return session


def shown_before(
    usual: Json, sent: Json, supplied: Prompted | None, *, delegates_mcp: bool
) -> dict[str, Any]:
    """Return the session that a client secret opens, before its endpoint has seen it.

    Args:
        usual: what our own sessions begin with, where the client says nothing.
        sent: what the client sent, checked as far as it is known here.
        supplied: what its prompt supplies, None where the endpoint knows.
        delegates_mcp: MCP servers are the endpoint's affair, and their definitions too.

    Raises:
        InvalidValue: a definition cannot be.
    """
    base = {name: value for name, value in usual.items() if name not in _UNSET or name not in sent}
    session = (
        sent if supplied is None else {**with_prompt(sent, supplied), "prompt": sent["prompt"]}
    )
    shown = {**merged_session(base, session), "model": usual["model"]}
    if delegates_mcp:
        shown["tools"] = [_without_secrets(tool) for tool in shown["tools"]]
    else:
        shown["tools"], _ = defined(shown["tools"], {}, root="session")
    return {**dict.fromkeys(usual), **shown}


def _without_secrets(tool: Mapping[str, Any]) -> Json:
    if tool["type"] != "mcp":
        return tool
    return {name: value for name, value in tool.items() if name not in SECRET_FIELDS}
