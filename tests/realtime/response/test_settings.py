"""What one response takes from the session and from its own overrides (CONTRACT 10)."""

from __future__ import annotations

from realtime.engine import BrainFinished, BrainReport, BrainRequest
from tests.realtime.driver import Driver, text_item


def test_null_instructions_of_a_response_keep_the_sessions() -> None:
    """LiveKit's plugin sends `instructions: null` with every reply that has none of its own."""
    asked: list[BrainRequest] = []

    def brain(request: BrainRequest) -> list[BrainReport]:
        asked.append(request)
        return [BrainFinished(request.response_id)]

    driver = Driver(brain=brain)
    driver.client("session.update", session={"type": "realtime", "instructions": "Be brief."})
    driver.client("conversation.item.create", item=text_item("hello"))
    driver.client("response.create", response={"instructions": None, "metadata": {"a": "b"}})
    assert "error" not in driver.types()
    assert asked[0].instructions == "Be brief."
