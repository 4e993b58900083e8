"""The form of bus messages."""

from __future__ import annotations

import pytest

from ovos_bridge.messages import BusMessage, decode, encode


def test_message_comes_back_as_it_was() -> None:
    """What is encoded is decoded to the same message."""
    message = BusMessage("speak", {"utterance": "\u00fc"}, {"session": {"session_id": "s"}})
    assert decode(encode(message)) == message
    assert message.session_id == "s"
    assert message.ident == ""


@pytest.mark.parametrize("frame", ["", "{", "[]", "5", '{"type": 5}', "[" * 100_000])
def test_frame_that_is_no_message_is_none(frame: str) -> None:
    """Anybody may write to the bus; nothing of it raises."""
    assert decode(frame) is None


@pytest.mark.parametrize("context", ['{"session": 5}', '{"session": {"session_id": 5}}', "7"])
def test_malformed_session_is_no_session(context: str) -> None:
    """Fields of the wrong kind count as absent."""
    message = decode(f'{{"type": "x", "data": [], "context": {context}}}')
    assert message is not None
    assert message.session_id == ""
    assert message.data == {}
