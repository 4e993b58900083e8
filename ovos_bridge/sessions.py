"""A caller's OVOS session: what core must be told of it with every utterance.

Core keeps no state of its own for a foreign session: whatever is sent is the
session. So the one that came with the last message is kept and sent back, minus
what would only slow the next turn down.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ovos_bridge import languages

RESPONSE = "response"
"""State of a skill that asked something and waits for the caller's words."""

STOP_STAGES = frozenset({"stop_high", "stop_medium", "stop_low"})


def fresh(
    session_id: str,
    *,
    language: str,
    timezone: str | None = None,
    blocked_skills: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a new session; core fills in the rest."""
    session: dict[str, Any] = {"session_id": session_id} | spoken_in(language)
    if timezone is not None:
        session["location"] = {"timezone": {"code": timezone, "name": timezone}}
    if blocked_skills:
        session["blacklisted_skills"] = list(blocked_skills)
    return session


def spoken_in(language: str) -> dict[str, Any]:
    """Return the fields of a session that depend on the language spoken in it."""
    return {"lang": language} | languages.customs(language)


def waiting_skills(session: Mapping[str, Any]) -> list[str]:
    """Return the skills that asked the caller something and wait for the reply."""
    states = session.get("utterance_states")
    if not isinstance(states, Mapping):
        return []
    return [skill for skill, state in states.items() if state == RESPONSE]


def for_sending(
    session: Mapping[str, Any], *, pipeline: Collection[str], conversational: Collection[str]
) -> dict[str, Any]:
    """Return the session as it goes out with the next utterance.

    `pipeline` is core's own, empty while it is not known.

    Core asks every active skill whether it wants the words and waits half a second
    for those that never answer; only skills in `conversational` and those that wait
    for a reply stay active. "stop" stops every caller's skills when none is active
    in this session, so its stages go too, unless there is something to stop.
    """
    outgoing = copy.deepcopy(dict(session))
    waiting = waiting_skills(session)
    active = [
        entry
        for entry in session.get("active_skills") or ()
        if isinstance(entry, list | tuple) and entry and _kept(entry[0], conversational, waiting)
    ]
    outgoing["active_skills"] = active
    if pipeline:
        outgoing["pipeline"] = list(pipeline) if active else without_stop(pipeline)
    return outgoing


def without_stop(pipeline: Collection[str]) -> list[str]:
    """Return the pipeline without the stages that may stop every caller's skills."""
    return [stage for stage in pipeline if stage not in STOP_STAGES and "-stop-" not in stage]


def without_fallbacks(pipeline: Collection[str]) -> list[str]:
    """Return the pipeline without the stages that answer whatever nobody understood."""
    return [stage for stage in pipeline if "fallback" not in stage and "common_q" not in stage]


def _kept(skill: object, conversational: Collection[str], waiting: Collection[str]) -> bool:
    return isinstance(skill, str) and (skill in conversational or skill in waiting)
