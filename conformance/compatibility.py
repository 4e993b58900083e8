"""Writes docs/compatibility.md from what a run saw and from the table of our choices.

    python -m conformance.compatibility            # write the page anew
    python -m conformance.compatibility --check    # exit 1 when it is not what the data say

`matrix.json` is written by a run with `--compatibility`, `engines.json` by one with `--engine`,
`compatibility.toml` by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from conformance import report
from conformance.clients import CLIENTS, ROOT, Held
from conformance.wire.scenario import Outcome

MATRIX = ROOT / "conformance" / "matrix.json"
SEEN_OF_ENGINES = ROOT / "conformance" / "engines.json"
TABLE = ROOT / "conformance" / "compatibility.toml"
PAGE = ROOT / "docs" / "compatibility.md"
SEEN = "●"
ABSENT = ""

INTRODUCTION = """# Compatibility

Written by `python -m conformance URL --compatibility`; the text below the tables comes from
`conformance/compatibility.toml`. Do not edit this page.

Each client is the published package, unmodified, with only the base URL and the key changed. Its
suite (`conformance/sdk/`) converses through the client's own interface: written and spoken turns,
a tool's round trip, interruption, new settings in the session, a dropped socket, refusals. What a
client sent and received is what went by on its connections.
"""

Matrix = dict[str, dict[str, Any]]


def read_matrix() -> Matrix:
    """Return what the last runs saw, by client; empty before the first."""
    return dict(json.loads(MATRIX.read_text())) if MATRIX.exists() else {}


def keep(held: Sequence[Held]) -> None:
    """Take what a run saw into the matrix, and write the page; what did not run stays as it was."""
    matrix = read_matrix()
    for one in held:
        if one.version:
            matrix[one.client.name] = report.row(one)
    order = [client.name for client in CLIENTS]
    known = {name: matrix[name] for name in order if name in matrix}
    MATRIX.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(render())


def read_engines() -> Matrix:
    """Return what the last runs saw, by engine; empty before the first."""
    return dict(json.loads(SEEN_OF_ENGINES.read_text())) if SEEN_OF_ENGINES.exists() else {}


def rule_of(outcome: Outcome) -> str:
    """Return a rule's name without how many events it was held to."""
    return outcome.rule.split(":")[0]


def keep_engine(engine: str, wire: Sequence[Outcome], held: Sequence[Held]) -> None:
    """Take what a run saw of an engine, and write the page; what did not run stays as it was."""
    engines = read_engines()
    kept = engines.setdefault(engine, {"wire": {}, "clients": {}})
    if wire:
        kept["wire"] = {rule_of(outcome): outcome.state for outcome in wire}
    for one in held:
        if one.version:
            kept["clients"][one.client.name] = _held(report.row(one)["rules"])
    order = [entry["name"] for entry in tomllib.loads(TABLE.read_text())["engine"]]
    known = {name: engines[name] for name in order if name in engines}
    SEEN_OF_ENGINES.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(render())


def render() -> str:
    """Return the page."""
    matrix, table = read_matrix(), tomllib.loads(TABLE.read_text())
    parts = [
        INTRODUCTION,
        "## Clients\n",
        *_clients(matrix),
        "\n## What answers\n",
        *_engines(table["engine"]),
        "\n## Events a client sent\n",
        *_events(matrix, table["events"]["client"], "sent"),
        "\n## Events a client received\n",
        table["events"]["note"],
        *_events(matrix, table["events"]["server"], "received"),
        "\n## What each conversation held\n",
        *_rules(matrix),
        "## Our choices\n",
        "What the contract leaves unknown, and what we chose: not facts about the live service.\n",
        *_rows(["where", "our choice", "contract"], _choices(table["choice"])),
        "\n## Known differences\n",
        *(f"- {entry['what']}" for entry in table["difference"]),
    ]
    return "\n".join(parts) + "\n"


def _clients(matrix: Matrix) -> Iterator[str]:
    yield from _rows(
        ["client", "package", "rules held", "sent", "received"],
        [
            [
                row["title"],
                f"`{row['package']}`",
                _held(row["rules"]),
                f"{len(row['sent'])} types",
                f"{len(row['received'])} types",
            ]
            for row in matrix.values()
        ],
    )


def _engines(described: list[dict[str, str]]) -> Iterator[str]:
    """Yield the table of rule by engine: the same suite, the same clients."""
    seen = read_engines()
    columns = [entry for entry in described if entry["name"] in seen]
    yield from (f"- {entry['title']}: {entry['what']}" for entry in columns)
    yield ""
    by_engine = [seen[entry["name"]] for entry in columns]
    rules = dict.fromkeys(rule for one in by_engine for rule in one["wire"])
    rows = [[rule, *(_state(one["wire"].get(rule)) for one in by_engine)] for rule in rules]
    for client in CLIENTS:
        cells = [one["clients"].get(client.name, ABSENT) for one in by_engine]
        rows.append([f"{client.title}, rules held", *cells])
    yield from _rows(["rule", *(entry["title"] for entry in columns)], rows)


def _state(state: str | None) -> str:
    if state is None:
        return ABSENT
    return SEEN if state == "pass" else f"**{state}**"


def _held(rules: dict[str, str]) -> str:
    passed = sum(state == "pass" for state in rules.values())
    return f"{passed} of {len(rules)}"


def _events(matrix: Matrix, names: list[str], direction: str) -> Iterator[str]:
    """Yield the table of event by client; an event that the contract does not list comes last."""
    others = {name for row in matrix.values() for name in row[direction]} - set(names)
    rows = [
        [f"`{name}`", *(SEEN if name in row[direction] else ABSENT for row in matrix.values())]
        for name in [*names, *sorted(others)]
    ]
    yield from _rows(["event", *(row["title"] for row in matrix.values())], rows)


def _rules(matrix: Matrix) -> Iterator[str]:
    for row in matrix.values():
        yield f"{row['title']}, `{row['package']}` (`conformance/sdk/{row['suite']}`):\n"
        for rule, state in row["rules"].items():
            yield f"- {rule}" if state == "pass" else f"- {rule}: **{state}**"
        yield ""


def _choices(entries: list[dict[str, str]]) -> list[list[str]]:
    return [[entry["where"], entry["choice"], entry.get("contract", "")] for entry in entries]


def _rows(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main() -> int:
    """Write the page, or say whether it is what the data say."""
    parser = argparse.ArgumentParser(prog="python -m conformance.compatibility")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    if not parser.parse_args().check:
        PAGE.write_text(render())
        return 0
    if PAGE.read_text() == render():
        return 0
    print(f"{PAGE.relative_to(ROOT)} is stale: run `python -m conformance.compatibility`")
    return 1


if __name__ == "__main__":
    sys.exit(main())
