"""What of an event is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.recording.recordable import recordable

TOOL = {
    "type": "mcp", "server_label": "docs", "authorization": "canary",
    "headers": {"X-Key": "canary", "Authorization": "canary"},
}  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"tools": [TOOL]}},
        {"type": "response.create", "response": {"tools": [TOOL]}},
        {"type": "session.update", "session": {"tools": [{"Authorization": "canary"}]}},
        {"headers": "canary"},
        {"headers": ["canary"]},
    ],
)
def test_secrets_of_tools_are_not_recorded(event: dict[str, Any]) -> None:
    """Wherever they stand, and in events that are no valid ones."""
    assert "canary" not in str(recordable(event))


def test_parameters_by_the_same_names_are_recorded() -> None:
    """A function may have a parameter `headers`; its schema is no secret."""
    schema = {"type": "object", "properties": {"headers": {"type": "object"}}}
    event = {"tools": [{"type": "function", "name": "f", "parameters": schema}]}
    assert recordable(event) == event
