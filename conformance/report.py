"""What was found, for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from conformance.wire.scenario import Outcome, State

CONFORMS, DIFFERS, CANNOT_RUN = 0, 1, 2
SIGNS: dict[State, str] = {"pass": "pass   ", "fail": "FAIL   ", "not run": "not run"}


def show(outcome: Outcome) -> None:
    """Print a rule's line at once, its reason below."""
    print(f"{SIGNS[outcome.state]}  {outcome.suite:10}  {outcome.rule}", flush=True)
    for line in outcome.reason.splitlines():
        print(f"             {line}", flush=True)


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


def write(path: Path, base_url: str, model: str, outcomes: Sequence[Outcome]) -> None:
    """Write the whole report as JSON; the key is not in it."""
    counts = Counter(outcome.state for outcome in outcomes)
    document = {
        "url": base_url,
        "model": model,
        "counts": {state: counts[state] for state in SIGNS},
        "verdict": verdict(outcomes),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
