"""What was found, for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conformance.clients import Held
from conformance.wire.scenario import Outcome, State

CONFORMS, DIFFERS, CANNOT_RUN = 0, 1, 2
SUITE_WIDTH = 27
SIGNS: dict[State, str] = {"pass": "pass   ", "fail": "FAIL   ", "not run": "not run"}


def show(outcome: Outcome) -> None:
    """Print a rule's line at once, its reason below."""
    print(f"{SIGNS[outcome.state]}  {outcome.suite:{SUITE_WIDTH}}  {outcome.rule}", flush=True)
    for line in outcome.reason.splitlines():
        print(f"             {line}", flush=True)


def show_held(held: Held) -> None:
    """Print a client's lines, and which package it was that met how many event types."""
    for outcome in held.outcomes:
        show(outcome)
    if held.version:
        sent, received = len(held.seen.sent), len(held.seen.received)
        print(
            f"             {held.client.package} {held.version}: "
            f"sent {sent} and received {received} types of events",
            flush=True,
        )


def row(held: Held) -> dict[str, Any]:
    """Return a client's row of the matrix of event by client."""
    return {
        "title": held.client.title,
        "package": f"{held.client.package} {held.version}".rstrip(),
        "suite": held.client.suite,
        "rules": {outcome.rule: outcome.state for outcome in held.outcomes},
        "sent": sorted(held.seen.sent),
        "received": sorted(held.seen.received),
    }


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the last line."""
    counts = Counter(outcome.state for outcome in outcomes)
    return f"{counts['pass']} passed, {counts['fail']} failed, {counts['not run']} not run"


def verdict(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code: a failure decides; with nothing passed, nothing is known."""
    states = {outcome.state for outcome in outcomes}
    if "fail" in states:
        return DIFFERS
    return CONFORMS if "pass" in states else CANNOT_RUN


def write(
    path: Path,
    base_url: str,
    model: str,
    outcomes: Sequence[Outcome],
    held: Sequence[Held] = (),
) -> None:
    """Write the whole report as JSON; the key is not in it."""
    counts = Counter(outcome.state for outcome in outcomes)
    document = {
        "url": base_url,
        "model": model,
        "counts": {state: counts[state] for state in SIGNS},
        "verdict": verdict(outcomes),
        "clients": {one.client.name: row(one) for one in held},
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
