"""What a later connection is told again."""

from __future__ import annotations

from typing import Any

from realtime.relay.memory import MOST_CHARACTERS, MOST_ITEMS, RelayMemory


def memory(**session: Any) -> RelayMemory:
    """Return the memory of a session as an upstream echoes it."""
    return RelayMemory({"type": "realtime", "id": "sess", "model": "m", "tools": [], **session})


def message(item_id: str, text: str | None, role: str = "user") -> dict[str, Any]:
    """Return an item with words, or with audio whose words are unknown."""
    part = {"type": "input_audio", "transcript": None} if text is None else {"text": text}
    return {"id": item_id, "type": "message", "role": role, "content": [part]}


def ids(of: RelayMemory) -> list[Any]:
    """Return the ids of what would be said again."""
    return [item["id"] for item in of.conversation()]


class TestConfiguration:
    def test_nothing_asked_is_nothing_to_bring_back(self) -> None:
        """The upstream's own defaults need no update."""
        assert memory(instructions="theirs").configuration() is None

    def test_fields_asked_come_back_as_the_upstream_last_echoed_them(self) -> None:
        """So a refused update leaves no trace, and fields nobody set are not sent."""
        kept = memory(instructions="x", audio={"input": {}, "output": {"voice": "alloy"}})
        kept.asked({"type": "realtime", "model": "other", "instructions": "mine"})
        kept.asked({"audio": {"output": {"voice": "nobody"}}})
        kept.session = {**kept.session, "instructions": "mine"}
        assert kept.configuration() == {
            "type": "realtime",
            "instructions": "mine",
            "audio": {"output": {"voice": "alloy"}},
        }

    def test_null_is_brought_back(self) -> None:
        """Turn detection that was turned off stays off."""
        kept = memory(audio={"input": {"turn_detection": None}})
        kept.asked({"audio": {"input": {"turn_detection": None}}})
        again = kept.configuration()
        assert again == {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


class TestConversation:
    def test_items_stand_where_they_were_put(self) -> None:
        """At the front, behind another, at the end."""
        kept = memory()
        kept.item(message("b", "2"), None)
        kept.item(message("d", "4"), "b")
        kept.item(message("a", "1"), None)
        kept.item(message("c", "3"), "b")
        assert ids(kept) == ["a", "b", "c", "d"]

    def test_spoken_words_come_back_as_text(self) -> None:
        """A transcript is what is left of audio; without one there is nothing to say."""
        kept = memory()
        kept.item(message("silent", None), None)
        kept.item(message("spoken", None), "silent")
        kept.heard("spoken", "what time is it")
        answer = {"type": "output_audio", "transcript": "Nine."}
        kept.item({**message("answer", None, "assistant"), "content": [answer]}, "spoken")
        assert [item["content"] for item in kept.conversation()] == [
            [{"type": "input_text", "text": "what time is it"}],
            [{"type": "output_text", "text": "Nine."}],
        ]

    def test_calls_and_their_outputs_come_back(self) -> None:
        """Without status, which a client does not send."""
        call = {"id": "f", "type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}
        output = {"id": "o", "type": "function_call_output", "call_id": "c", "output": "1"}
        kept = memory()
        kept.item({**call, "status": "completed"}, None)
        kept.item(output, "f")
        kept.item({"id": "m", "type": "mcp_list_tools"}, "o")
        assert kept.conversation() == [call, output]

    def test_deleted_and_cut_items_are_forgotten(self) -> None:
        """Forgetting what is not there breaks nothing."""
        kept = memory()
        kept.item(message("a", "1"), None)
        kept.forget("a")
        kept.forget("a")
        assert ids(kept) == []

    def test_memory_is_bounded_by_items_and_by_characters(self) -> None:
        """The newest part of a long conversation is kept."""
        kept = memory()
        for place in range(MOST_ITEMS + 5):
            kept.item(message(str(place), "x"), str(place - 1) if place else None)
        assert (len(ids(kept)), ids(kept)[0]) == (MOST_ITEMS, "5")
        kept.item(message("long", "x" * MOST_CHARACTERS), str(MOST_ITEMS + 4))
        assert ids(kept) == ["long"]

    def test_items_of_any_shape_break_nothing(self) -> None:
        """An upstream may send what nobody expects."""
        kept = memory()
        for item in ({}, {"id": 1}, {"id": "a", "type": "message", "content": ["x", None]}):
            kept.item(item, 7)
        assert kept.conversation() == []
