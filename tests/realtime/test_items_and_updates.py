"""Items and session updates: positions, cuts, merges and refusals."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from realtime.engine import (
    EngineFault,
)
from realtime.session import effects as fx
from tests.realtime.driver import Driver, say, text_item

AUDIO_TAIL = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
FAULT = EngineFault("skills_unavailable", "Skills are not available.")


class TestItems:
    def test_positions_and_previous_ids(self) -> None:
        """Front, after an item, and at the end (CONTRACT 9.2)."""
        driver = Driver()
        driver.client("conversation.item.create", item=text_item("b", id="b"))
        driver.client(
            "conversation.item.create", previous_item_id="root", item=text_item("a", id="a")
        )
        driver.client("conversation.item.create", previous_item_id="a", item=text_item("m", id="m"))
        driver.client("conversation.item.create", previous_item_id="", item=text_item("z", id="z"))
        added = [e["previous_item_id"] for e in driver.sent if e["type"].endswith("item.added")]
        assert added == [None, None, "a", "b"]
        assert [entry.item.id for entry in driver.machine.conversation.entries()] == list("ambz")

    @pytest.mark.parametrize(
        ("event", "code", "message"),
        [
            (
                {"kind": "conversation.item.retrieve", "item_id": "x"},
                "item_retrieve_invalid_item_id",
                "Error retrieving item: the item with id 'x' does not exist.",
            ),
            (
                {"kind": "conversation.item.delete", "item_id": "x"},
                "item_delete_invalid_item_id",
                "Error deleting item: the item with id 'x' does not exist.",
            ),
            (
                {
                    "kind": "conversation.item.truncate",
                    "item_id": "x",
                    "content_index": 0,
                    "audio_end_ms": 5,
                },
                "item_truncate_invalid_item_id",
                "Error truncating item: the item with id 'x' does not exist.",
            ),
            (
                {
                    "kind": "conversation.item.create",
                    "item": text_item("t"),
                    "previous_item_id": "x",
                },
                "invalid_value",
                "Error adding item: the previous item with id 'x' does not exist.",
            ),
            (
                {
                    "kind": "conversation.item.create",
                    "item": {"type": "function_call_output", "call_id": "c", "output": ""},
                },
                "invalid_tool_call_id",
                "Tool call ID 'c' not found in conversation.",
            ),
            (
                {"kind": "conversation.item.create", "item": text_item("t", id="here")},
                "item_create_duplicate_item_id",
                "Error adding item: an item with id 'here' already exists.",
            ),
            (
                {
                    "kind": "conversation.item.truncate",
                    "item_id": "here",
                    "content_index": 0,
                    "audio_end_ms": 5,
                },
                None,
                "Only model output audio messages can be truncated",
            ),
        ],
    )
    def test_fault_is_worded_as_the_contract_has_it(
        self, event: dict[str, Any], code: str | None, message: str
    ) -> None:
        """Code and message; nothing changes."""
        driver = Driver()
        driver.client("conversation.item.create", item=text_item("t", id="here"))
        sent = len(driver.sent)
        driver.client(event.pop("kind"), **event)
        assert driver.types(skip=sent) == ["error"]
        assert (driver.error()["code"], driver.error()["message"]) == (code, message)
        assert len(driver.machine.conversation) == 1

    def test_truncate_cuts_audio_and_drops_the_transcript(self) -> None:
        """Beyond the audio and a second time are refused (CONTRACT 9.4)."""
        driver = Driver(brain=say("One two three four."), speech_ms=1_000)
        driver.client("response.create")
        driver.run()
        item_id = driver.last("response.done")["response"]["output"][0]["id"]
        cut = {"item_id": item_id, "content_index": 0}
        driver.client("conversation.item.truncate", audio_end_ms=1_001, **cut)
        assert driver.error()["message"] == "Audio content of 1000ms is already shorter than 1001ms"
        driver.client("conversation.item.truncate", audio_end_ms=500, **cut)
        assert driver.last("conversation.item.truncated")["audio_end_ms"] == 500
        entry = driver.machine.conversation.retrieve(item_id)
        assert entry.spoken_text == "One two"
        driver.client("conversation.item.truncate", audio_end_ms=100, **cut)
        assert driver.error()["code"] == "item_already_truncated"

    def test_sent_audio_is_kept_and_recognised(self) -> None:
        """An item with audio but no transcript is heard by the recogniser."""
        driver = Driver()
        part = {"type": "input_audio", "audio": base64.b64encode(bytes(4_800)).decode()}
        item = {"type": "message", "role": "user", "content": [part]}
        driver.client("conversation.item.create", item=item)
        kept = [e for e in driver.effects if isinstance(e, fx.KeepSentAudio)]
        assert len(kept[0].audio) == 4_800
        assert [e for e in driver.effects if isinstance(e, fx.RecogniseItem)]
        assert "audio" not in driver.last("conversation.item.done")["item"]["content"][0]


class TestUpdates:
    def test_refused_update_changes_nothing(self) -> None:
        """Its valid parts are discarded with it (CONTRACT 6.4)."""
        driver = Driver()
        before = driver.machine.config
        session = {"type": "realtime", "instructions": "new", "bogus": 1}
        driver.client("session.update", session=session)
        assert driver.types()[-1] == "error"
        assert driver.machine.config == before

    def test_leaves_merge_and_lists_are_replaced(self) -> None:
        """CONTRACT 6.2 and 6.3."""
        driver = Driver()
        detection = {"type": "server_vad", "threshold": 0.7}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        driver.client("session.update", session=session)
        detection = {"type": "server_vad", "silence_duration_ms": 500}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        driver.client("session.update", session=session)
        shown = driver.last("session.updated")["session"]["audio"]["input"]["turn_detection"]
        assert (shown["threshold"], shown["silence_duration_ms"]) == (0.7, 500)
        semantic = {"type": "semantic_vad", "eagerness": "low"}
        session = {"type": "realtime", "audio": {"input": {"turn_detection": semantic}}}
        driver.client("session.update", session=session)
        shown = driver.last("session.updated")["session"]["audio"]["input"]["turn_detection"]
        assert shown == {**semantic, "create_response": True, "interrupt_response": True}

    def test_model_is_kept_silently(self) -> None:
        """A different value is ignored, the rest applied (CONTRACT 6.6)."""
        driver = Driver()
        session = {"type": "realtime", "model": "other", "instructions": "new"}
        driver.client("session.update", session=session)
        shown = driver.last("session.updated")["session"]
        assert (shown["model"], shown["instructions"]) == ("gpt-realtime", "new")

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ([None, "auto"], None),
            (["auto", {"workflow_name": "w"}], "auto"),
            (["auto", None, "auto"], None),
        ],
    )
    def test_tracing_is_set_once_and_null_ends_it_for_good(
        self, sent: list[object], kept: object
    ) -> None:
        """Nothing sets it again (CONTRACT 5), and no update fails for it."""
        driver = Driver()
        for tracing in sent:
            driver.client("session.update", session={"type": "realtime", "tracing": tracing})
        updated = [e for e in driver.sent if e["type"] == "session.updated"]
        assert len(updated) == len(sent)
        assert updated[-1]["session"]["tracing"] == kept

    def test_voice_is_fixed_once_heard(self) -> None:
        """Another voice is refused as a whole, the same one accepted."""
        driver = Driver()
        driver.client("response.create")
        driver.run()
        audio = {"output": {"voice": "marin"}}
        driver.client("session.update", session={"type": "realtime", "audio": audio})
        assert driver.error()["code"] == "cannot_update_voice"
        audio = {"output": {"voice": "alloy"}}
        driver.client("session.update", session={"type": "realtime", "audio": audio})
        assert driver.types()[-1] == "session.updated"

    def test_other_session_type_is_refused(self) -> None:
        """The sentence of CONTRACT 6.6."""
        driver = Driver()
        driver.client("session.update", session={"type": "transcription"})
        assert driver.error()["message"] == (
            "Passing a transcription session update event to a realtime session is not allowed."
        )

    def test_reasoning_needs_a_reasoning_model(self) -> None:
        """CONTRACT 16."""
        driver = Driver()
        session = {"type": "realtime", "reasoning": {"effort": "low"}}
        driver.client("session.update", session=session)
        assert (
            driver.error()["message"] == "Unsupported option for this model: 'session.reasoning'."
        )
