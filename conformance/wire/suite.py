"""Every scenario, then every event that came: our schema, our form, the SDK's types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from conformance import sdk_types
from conformance.wire import (
    answers,
    faults,
    handshake,
    items,
    sessions,
    speech,
    transcription,
)
from conformance.wire.endpoint import Endpoint, Frame
from conformance.wire.scenario import SCENARIOS, Outcome, Scenario, play

GROUPS = (handshake, sessions, answers, speech, transcription, items, faults)
"""Scenarios add themselves to the list when these are imported; this is the report's order."""

SHOWN_FINDINGS = 12
Told = Callable[[Outcome], None]


def scenarios() -> list[Scenario]:
    """Return every scenario, group by group."""
    order = [group.__name__ for group in GROUPS]
    return sorted(SCENARIOS, key=lambda entry: order.index(entry.body.__module__))


async def run(
    endpoint: Endpoint, told: Told, chosen: Iterable[Scenario]
) -> tuple[list[Outcome], list[Frame]]:
    """Run scenarios one after another; each outcome is told at once."""
    outcomes: list[Outcome] = []
    frames: list[Frame] = []
    for entry in chosen:
        outcome, seen = await play(entry, endpoint)
        told(outcome)
        outcomes.append(outcome)
        frames += seen
    return outcomes, frames


def validate(frames: Sequence[Frame]) -> list[Outcome]:
    """Hold every event to each of the validators."""
    count = f"{len(frames)} events of {len({frame.event['type'] for frame in frames})} types"
    outcomes = _by_schema(frames, count)
    rule = f"types of the Python SDK: {count}"
    if sdk_types.available():
        types = sdk_types.SdkTypes()
        outcomes.append(judge(rule, frames, lambda frame: types.faults(frame.event)))
    else:
        outcomes.append(Outcome("events", rule, "not run", "the SDK is not installed here"))
    return outcomes


def _by_schema(frames: Sequence[Frame], count: str) -> list[Outcome]:
    try:
        from conformance.schemas import EventForms, EventSchemas
    except ModuleNotFoundError as missing:
        reason = (
            f"the package {missing.name} is not installed here: run this in the development "
            "environment (`python3 deploy/bootstrap.py dev`, var/venv/dev/bin)"
        )
        rules = (f"our schema: {count}", f"wire form: {count}")
        return [Outcome("events", rule, "not run", reason) for rule in rules]
    schemas, forms = EventSchemas(), EventForms()
    return [
        judge(f"our schema: {count}", frames, lambda frame: schemas.faults(frame.event)),
        judge(f"wire form: {count}", frames, lambda frame: forms.faults(frame.raw, frame.event)),
    ]


def judge(rule: str, frames: Iterable[Frame], findings: Callable[[Frame], list[str]]) -> Outcome:
    """Return one outcome for all events; the same finding is told once, with its count."""
    found: Counter[str] = Counter()
    first: dict[str, str] = {}
    for frame in frames:
        for fault in findings(frame):
            text = f"{frame.event['type']} {fault}"
            found[text] += 1
            first.setdefault(text, frame.scenario)
    if not found:
        return Outcome("events", rule, "pass")
    lines = [
        f"{text} ({times} times, first in: {first[text]})"
        for text, times in found.most_common(SHOWN_FINDINGS)
    ]
    if len(found) > SHOWN_FINDINGS:
        lines.append(f"and {len(found) - SHOWN_FINDINGS} more findings")
    return Outcome("events", rule, "fail", "\n".join(lines))
