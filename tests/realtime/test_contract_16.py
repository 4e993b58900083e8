"""Every row of the contract's table of errors (CONTRACT 16) is held by a trace or a test.

`EVIDENCE` names them, row by row; `CHOSEN` names our choice where the row says unknown.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from conformance.golden import TRACES, read
from realtime.errors import ServerFault
from realtime.session.inputs import InvalidFromClient
from tests.realtime.driver import Driver

ROOT = Path(__file__).parents[2]
UNKNOWN = re.compile(r"\[[^]]*unknown")
CHOICES = ROOT / "conformance" / "compatibility.toml"

EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "unknown event type": ("faults/unknown_event_type", "transcription/no_answers"),
    "missing `type`": ("faults/missing_type",),
    "not JSON": ("socket/not_an_event",),
    "binary frame": ("socket/not_an_event",),
    "missing field": ("faults/missing_field", "transcription/session_kind"),
    "unknown field": ("faults/unknown_field", "transcription/unknown_fields"),
    "bad enum": ("faults/bad_enum", "faults/unknown_voice", "transcription/unknown_model"),
    "wrong type": ("faults/wrong_type",),
    "number range": (
        "faults/number_range",
        "faults/response_ranges",
        "transcription/rate_too_low",
    ),
    "long string": ("faults/long_string", "faults/metadata_limits"),
    "active response": ("faults/active_response", "volunteered/waits_for_the_answer"),
    "cancel, none active": ("faults/cancel_none_active", "faults/cancel_twice"),
    "commit too small": ("faults/commit_empty", "faults/commit_too_small"),
    "retrieve unknown": ("faults/unknown_item", "transcription/items"),
    "delete unknown": ("faults/unknown_item",),
    "truncate unknown": ("faults/unknown_item",),
    "truncate wrong kind": ("faults/truncate_wrong_kind",),
    "truncate too long": ("faults/truncate_too_long",),
    "truncate twice": ("faults/truncate_twice",),
    "unknown previous_item_id": ("faults/unknown_previous_item",),
    "duplicate item id": ("faults/duplicate_item_id",),
    "tool output, unknown call": ("faults/unknown_call",),
    "voice change after audio": (
        "faults/voice_after_audio",
        "faults/voice_of_response_after_audio",
    ),
    "reasoning on a non-reasoning model": (
        "faults/reasoning_on_plain_model",
        "faults/reasoning_options_on_plain_model",
    ),
    "session kind mismatch": ("faults/session_kind", "transcription/session_kind"),
    "bad key": ("socket/bad_key",),
    "no key": ("socket/no_key",),
    "unknown model": ("socket/unknown_model",),
    "missing model": ("socket/missing_model",),
    "beta shape": ("socket/beta_header",),
    "session end": (
        "faults/session_expired",
        "faults/session_expired_during_response",
        "transcription/session_expired",
    ),
    "quota": ("failed/quota",),
    "throttled": (
        "failed/rate_limited",
        "tests/functional/test_rate_limits.py::test_response_over_the_allowance_fails_in_its_done",
    ),
    "expired `ek_`": (
        "tests/gateway/identity/test_service.py::test_secret_serves_several_times_until_it_expires",
        "socket/bad_key",
    ),
    "server fault": (
        "tests/realtime/test_contract_16.py::test_server_fault_is_worded_as_the_contract_has_it",
        "tests/gateway/ingress/test_reading.py::test_event_that_breaks_something_is_a_server_fault",
        "tests/gateway/api/test_middleware.py::test_client_gets_the_contracts_sentence",
    ),
}
"""By row: names of golden traces, and tests as `file::function`."""

CHOSEN: Mapping[str, str] = {
    "missing `type`": "missing `type`",
    "long string": "long string, too many keys or elements",
    "truncate unknown": "truncate of an unknown item",
    "truncate too long": "truncate beyond the audio",
    "truncate twice": "truncate twice",
    "unknown previous_item_id": "unknown `previous_item_id`",
    "tool output, unknown call": "tool output of an unknown call",
    "session kind mismatch": "session type mismatch",
    "expired `ek_`": "expired `ek_`",
}
"""Rows that the contract leaves open at some place, and the line of our choices about each."""


def rows_of(contract: Path) -> dict[str, str]:
    """Return the rows of the contract's table, whole, by what triggers each."""
    text = (contract / "CONTRACT.md").read_text(encoding="utf-8")
    section = text.split("\n## 16. ", 1)[1].split("\n## 17. ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return {row.split("|")[1].strip(): row for row in rows if not row.startswith("| Trigger")}


def functions(path: Path) -> set[str]:
    """Return the names of all functions of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


@pytest.mark.parametrize("row", EVIDENCE)
def test_row_is_held(row: str) -> None:
    """What the table names is there; a trace says in its header that it follows the row."""
    for name in EVIDENCE[row]:
        file, _, function = name.partition("::")
        if function:
            assert function in functions(ROOT / file), f"{row}: {name} is missing"
            continue
        trace = TRACES / f"{name}.jsonl"
        assert trace.exists(), f"{row}: the trace {name} is missing"
        followed = read(trace).header["contract"]
        assert _plain(row) in followed or row == "expired `ek_`", f"{name} follows {followed}"


def _plain(row: str) -> str:
    return row.replace(",", "").replace("`", "")


def test_table_has_every_row_of_the_contract(contract: Path) -> None:
    """No row is forgotten, and none made up."""
    assert list(EVIDENCE) == list(rows_of(contract))


def test_rows_left_open_are_among_our_choices(contract: Path) -> None:
    """Where the contract says unknown the value is ours, and told to users."""
    left_open = [row for row, whole in rows_of(contract).items() if UNKNOWN.search(whole)]
    assert sorted(left_open) == sorted(CHOSEN)


def test_choices_named_here_are_told_to_users() -> None:
    """Each is a line of the compatibility page."""
    told = {choice["where"] for choice in tomllib.loads(CHOICES.read_text())["choice"]}
    assert set(CHOSEN.values()) <= told


def test_server_fault_is_worded_as_the_contract_has_it() -> None:
    """The sentence, no code, and the client's event id; the session goes on."""
    driver = Driver()
    driver.give(InvalidFromClient(1, ServerFault(), "mine"))
    error = driver.error()
    assert (error["type"], error["code"], error["param"]) == ("server_error", None, None)
    assert error["event_id"] == "mine"
    sentence = "The server had an error while processing your request. Sorry about that!"
    assert error["message"].startswith(sentence)
    driver.client("session.update", session={"type": "realtime"})
    assert driver.types()[-1] == "session.updated"
