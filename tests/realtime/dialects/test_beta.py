"""The beta dialect as a translation: what is sent, what is shown, how faults are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from realtime.dialects.beta.dialect import MOST_ASKED, BetaDialect
from realtime.dialects.beta.incoming import ga_event
from realtime.dialects.beta.names import RENAMED, UNCHANGED
from realtime.dialects.beta.outgoing import beta_session
from realtime.errors import WireFault
from realtime.events.client import client_event
from realtime.events.schemas import SERVER_EVENTS, event_type
from realtime.ids import SequentialIds
from realtime.session.config import fresh_config

ALLOWANCE = [{"name": "tokens", "limit": 100, "remaining": 60, "reset_seconds": 0.5}]
NOT_SENT = {
    *(event_type(event) for event in SERVER_EVENTS if "mcp" in event_type(event)),  # CONTRACT 18
    "conversation.item.done",
    "input_audio_buffer.timeout_triggered",
}
TRANSLATED = {
    "session.created", "session.updated", "conversation.item.added", "conversation.item.retrieved",
    "response.created", "response.done", "response.output_item.added",
    "response.output_item.done", "error", "rate_limits.updated",
}  # fmt: skip


def dialect(**options: Any) -> BetaDialect:
    options = {"conversation_id": "conv_1", "rate_limits": lambda: ALLOWANCE, **options}
    return BetaDialect(ids=SequentialIds(), **options)


def session(**changes: Any) -> dict[str, Any]:
    config = fresh_config(session_id="sess_1", model="gpt-realtime", expires_at=7)
    return {**orjson.loads(orjson.dumps(config)), **changes}


def updated(**changes: Any) -> dict[str, Any]:
    return {"type": "session.updated", "event_id": "event_1", "session": session(**changes)}


def error(event_id: str | None, param: str | None = None, message: str = "No.") -> dict[str, Any]:
    body = {"type": "invalid_request_error", "code": "x", "message": message, "param": param}
    return {"type": "error", "event_id": "event_2", "error": {**body, "event_id": event_id}}


def response(kind: str, **changes: Any) -> dict[str, Any]:
    shown = {
        "object": "realtime.response",
        "id": "resp_1",
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": "conv_1",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcmu"}, "voice": "verse"}},
        "usage": None,
        "metadata": None,
    }
    return {"type": kind, "event_id": "event_3", "response": {**shown, **changes}}


# --- what clients send ---


@pytest.mark.parametrize(
    ("flat", "nested"),
    [
        ({}, {}),
        ({"type": "realtime"}, {}),
        ({"client_secret": {"expires_after": {"anchor": "created_at"}}}, {}),
        ({"modalities": ["text", "audio"]}, {"output_modalities": ["audio"]}),
        ({"modalities": ["audio"]}, {"output_modalities": ["audio"]}),
        ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
        ({"max_response_output_tokens": 4096}, {"max_output_tokens": 4096}),
        ({"temperature": 0.6}, {}),
        ({"voice": "ash", "speed": 1.1}, {"audio": {"output": {"voice": "ash", "speed": 1.1}}}),
        (
            {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_alaw"},
            {
                "audio": {
                    "input": {"format": {"type": "audio/pcmu"}},
                    "output": {"format": {"type": "audio/pcma"}},
                }
            },
        ),
        (
            {"input_audio_format": "pcm16"},
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}},
        ),
        (
            {"turn_detection": None, "input_audio_transcription": None},
            {"audio": {"input": {"turn_detection": None, "transcription": None}}},
        ),
        ({"turn_detection": {"type": "none"}}, {"audio": {"input": {"turn_detection": None}}}),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 0.4}},
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.4}}}},
        ),
        (
            {"input_audio_noise_reduction": {"type": "far_field"}},
            {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
        ),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "function", "name": "f"}},
        ),
        ({"tool_choice": "required", "tools": []}, {"tool_choice": "required", "tools": []}),
        ({"instructions": "", "tracing": "auto"}, {"instructions": "", "tracing": "auto"}),
    ],
)
def test_session_update_is_nested_and_valid(flat: dict[str, Any], nested: dict[str, Any]) -> None:
    """Each flat field has its place in GA, absent ones stay absent, and GA takes the result."""
    event = ga_event({"type": "session.update", "event_id": "e", "session": flat})
    assert event["session"] == {"type": "realtime", **nested}
    assert event["event_id"] == "e"
    client_event(event)


def test_response_create_overrides_are_nested() -> None:
    """The overrides of one response have their places too; its input stays as it is."""
    sent = {
        "modalities": ["text"],
        "voice": "sage",
        "output_audio_format": "g711_ulaw",
        "temperature": 1.2,
        "max_response_output_tokens": 10,
        "conversation": "none",
        "metadata": {"a": "b"},
        "input": [{"type": "item_reference", "id": "item_1"}],
    }
    event = ga_event({"type": "response.create", "response": sent})
    assert event["response"] == {
        "output_modalities": ["text"],
        "audio": {"output": {"voice": "sage", "format": {"type": "audio/pcmu"}}},
        "max_output_tokens": 10,
        "conversation": "none",
        "metadata": {"a": "b"},
        "input": [{"type": "item_reference", "id": "item_1"}],
    }
    client_event(event)


def test_transcription_update_becomes_a_session_update() -> None:
    """The old event of transcription sessions means GA's, without what nobody answers with."""
    sent = {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
        "modalities": ["audio", "text"],
        "turn_detection": {"type": "server_vad", "create_response": True},
        "input_audio_noise_reduction": {"type": "near_field"},
        "include": ["item.input_audio_transcription.logprobs"],
    }
    event = ga_event({"type": "transcription_session.update", "session": sent})
    assert event["type"] == "session.update"
    assert event["session"] == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                "turn_detection": {"type": "server_vad", "create_response": True},
                "noise_reduction": {"type": "near_field"},
            }
        },
        "include": ["item.input_audio_transcription.logprobs"],
    }


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"temperature": 0.5}, "decimal_below_min_value", "session.temperature"),
        ({"temperature": 1.3}, "decimal_above_max_value", "session.temperature"),
        ({"temperature": "hot"}, "invalid_type", "session.temperature"),
        ({"modalities": []}, "invalid_value", "session.modalities"),
        ({"modalities": ["text", "video"]}, "invalid_value", "session.modalities[1]"),
        ({"input_audio_format": "mp3"}, "invalid_value", "session.input_audio_format"),
        ({"output_audio_format": 1}, "invalid_type", "session.output_audio_format"),
        ({"turn_detection": {"type": "x"}}, "invalid_value", "session.turn_detection.type"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 2.0}},
            "decimal_above_max_value",
            "session.turn_detection.threshold",
        ),
        ({"audio": {"input": {}}}, "unknown_parameter", "session.audio"),
        ({"output_modalities": ["text"]}, "unknown_parameter", "session.output_modalities"),
        (
            {"max_response_output_tokens": 0},
            "integer_below_min_value",
            "session.max_response_output_tokens",
        ),
    ],
)
def test_session_update_faults_are_told_in_the_betas_words(
    session: dict[str, Any], code: str, param: str
) -> None:
    """A path names what the client wrote, and GA's own names are unknown here."""
    with pytest.raises(WireFault) as found:
        ga_event({"type": "session.update", "session": session})
    assert (found.value.code, found.value.param) == (code, param)
    assert f"'{param}'" in found.value.message or code == "invalid_value"


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "conversation.item.create", "item": "ITEM"}, "item.content[1].type"),
        (
            {"type": "response.create", "response": {"input": ["ITEM"]}},
            "response.input[0].content[1].type",
        ),
    ],
)
def test_picture_is_refused(event: dict[str, Any], param: str) -> None:
    """The beta has none, so that none can be shown either."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    content = [{"type": "input_text", "text": "See."}, image]
    item = {"type": "message", "role": "user", "content": content}
    sent = orjson.loads(orjson.dumps(event).replace(b'"ITEM"', orjson.dumps(item)))
    with pytest.raises(WireFault) as found:
        ga_event(sent)
    assert (found.value.code, found.value.param) == ("invalid_value", param)


def test_unknown_event_type_is_told_with_the_betas_list() -> None:
    """GA's translation events are not among the beta's."""
    with pytest.raises(WireFault) as found:
        ga_event({"type": "session.close"})
    assert "'transcription_session.update'" in found.value.message
    assert found.value.param == "type"


def test_examples_of_the_old_reference_are_taken(contract: Path) -> None:
    """Every client event that the beta's documents show."""
    examples = orjson.loads((contract / "examples.json").read_bytes())["examples"]
    shown = [event for name, event in examples.items() if name.startswith("RealtimeBetaClient")]
    assert len(shown) > 10
    for event in shown:
        client_event(dialect().incoming(event))


@pytest.mark.parametrize("data", [None, 3, [], {}, {"type": 3}, {"type": []}])
def test_what_is_no_event_is_left_to_ga(data: Any) -> None:
    """Nothing is found to translate, and nothing breaks."""
    assert dialect().incoming(data) == data


# --- what clients see ---


def test_session_has_the_recorded_keys_in_order(contract: Path) -> None:
    """The flat session has the keys, the order and the defaults of a recorded beta session."""
    line = (contract / "traces" / "beta_2025-12_session.jsonl").read_text()
    recorded = orjson.loads(line)["ev"]["session"]
    ours = beta_session(session(instructions="You are a friendly assistant"), temperature=0.8)
    ours |= {"id": recorded["id"], "expires_at": recorded["expires_at"]}
    assert orjson.dumps(ours) == orjson.dumps(recorded)


def test_session_created_is_followed_by_the_conversation() -> None:
    """Old clients wait for `conversation.created`."""
    first, second = dialect().outgoing({**updated(), "type": "session.created"})
    assert first["type"] == "session.created"
    assert first["session"]["modalities"] == ["audio", "text"]
    assert list(second) == ["type", "event_id", "conversation"]
    assert second["conversation"] == {"id": "conv_1", "object": "realtime.conversation"}


def test_transcription_session_has_its_own_event_and_no_conversation() -> None:
    """`transcription_session.created` and `.updated` hold the flat session."""
    heard = {
        "format": {"type": "audio/pcma"},
        "transcription": {"model": "whisper-1", "language": None, "prompt": None},
        "noise_reduction": None,
        "turn_detection": None,
    }
    shown = {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_1",
        "expires_at": 7,
        "audio": {"input": heard},
        "include": None,
    }
    for kind in ("created", "updated"):
        event = {"type": f"session.{kind}", "event_id": "event_1", "session": shown}
        (found,) = dialect(conversation_id=None).outgoing(event)
        assert found["type"] == f"transcription_session.{kind}"
        assert found["session"]["input_audio_format"] == "g711_alaw"
        assert found["session"]["input_audio_transcription"]["model"] == "whisper-1"
        assert "audio" not in found["session"]


def test_item_is_created_once_and_says_what_it_is() -> None:
    """GA's two events are the beta's one; contents have their old types."""
    item = {
        "id": "item_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "Hello."},
            {"type": "output_audio", "transcript": "Hi."},
        ],
    }
    event = {
        "type": "conversation.item.added",
        "event_id": "event_1",
        "previous_item_id": None,
        "item": item,
    }
    (found,) = dialect().outgoing(event)
    assert found["type"] == "conversation.item.created"
    assert list(found["item"]) == ["id", "object", "type", "status", "role", "content"]
    assert found["item"]["object"] == "realtime.item"
    assert [part["type"] for part in found["item"]["content"]] == ["text", "audio"]
    assert dialect().outgoing({**event, "type": "conversation.item.done"}) == []


def test_picture_of_another_client_is_left_out() -> None:
    """What stands beside it is shown."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"}
    content = [image, {"type": "input_text", "text": "See."}]
    item = {"id": "i", "type": "message", "status": "completed", "role": "user", "content": content}
    event = {"type": "conversation.item.added", "event_id": "e", "previous_item_id": None}
    (found,) = dialect().outgoing({**event, "item": item})
    assert found["item"]["content"] == [{"type": "input_text", "text": "See."}]


def test_response_is_flat_and_tells_the_allowance_at_its_beginning() -> None:
    """`rate_limits.updated` follows `response.created` and nothing follows `response.done`."""
    one = dialect()
    created, allowance = one.outgoing(response("response.created"))
    assert list(created["response"]) == [
        "object", "id", "status", "status_details", "output", "conversation_id", "modalities",
        "voice", "output_audio_format", "temperature", "max_output_tokens", "usage", "metadata",
    ]  # fmt: skip
    assert created["response"]["output_audio_format"] == "g711_ulaw"
    assert allowance["type"] == "rate_limits.updated"
    assert allowance["rate_limits"] == ALLOWANCE
    assert len(one.outgoing(response("response.done", status="completed"))) == 1
    late = {"type": "rate_limits.updated", "event_id": "event_9", "rate_limits": ALLOWANCE}
    assert one.outgoing(late) == []


def test_every_ga_event_is_translated_or_left_out_on_purpose() -> None:
    """A new server event must be decided on here."""
    known = {event_type(event) for event in SERVER_EVENTS}
    assert known <= UNCHANGED | set(RENAMED) | TRANSLATED | NOT_SENT


# --- faults ---


@pytest.mark.parametrize(
    ("ga", "beta"),
    [
        ("session.audio.input.turn_detection", "session.turn_detection"),
        ("session.audio.input.turn_detection.threshold", "session.turn_detection.threshold"),
        ("session.audio.input.format.rate", "session.input_audio_format"),
        ("session.audio.output.voice", "session.voice"),
        ("session.max_output_tokens", "session.max_response_output_tokens"),
        ("session.output_modalities", "session.modalities"),
        ("response.audio.output.voice.id", "response.voice.id"),
        ("response.max_output_tokens", "response.max_output_tokens"),
        ("item.content[0].type", "item.content[0].type"),
        ("session.include", "session.include"),
    ],
)
def test_error_paths_are_told_in_the_betas_words(ga: str, beta: str) -> None:
    """Both in `param` and where the message quotes it."""
    (found,) = dialect().outgoing(error("mine", ga, f"Invalid '{ga}': too much."))
    assert found["error"]["param"] == beta
    assert found["error"]["message"] == f"Invalid '{beta}': too much."
    assert found["error"]["event_id"] == "mine"


def test_what_a_transcription_session_takes_is_told_in_the_old_name() -> None:
    """A client that reads the list finds an event it may send."""
    message = "Invalid value: 'x'. Supported values are: 'session.update' and 'y'."
    (found,) = dialect(conversation_id=None).outgoing(error(None, "type", message))
    assert "'transcription_session.update'" in found["error"]["message"]
    (found,) = dialect().outgoing(error(None, "type", message))
    assert found["error"]["message"] == message


# --- the temperature ---


def sent_update(one: BetaDialect, **fields: Any) -> str:
    event = one.incoming({"type": "session.update", "session": fields})
    return str(event["event_id"])


def shown_temperature(one: BetaDialect, event: dict[str, Any]) -> float:
    shown = one.outgoing(event)[0]
    return float((shown.get("session") or shown["response"])["temperature"])


def test_temperature_is_echoed_once_its_update_is_accepted() -> None:
    """Not before: an update that is refused changes nothing."""
    one = dialect()
    assert shown_temperature(one, {**updated(), "type": "session.created"}) == 0.8
    refused = sent_update(one, temperature=0.6, voice="nope")
    sent_update(one, instructions="x")
    sent_update(one, temperature=1.0)
    (told,) = one.outgoing(error(refused))
    assert told["error"]["event_id"] is None, "the client gave no id"
    assert shown_temperature(one, updated()) == 0.8
    assert shown_temperature(one, updated()) == 1.0
    assert shown_temperature(one, updated()) == 1.0


def test_temperature_of_one_response_is_shown_with_it_alone() -> None:
    """An override holds from `response.created` to `response.done`."""
    one = dialect(temperature=0.7)
    one.incoming({"type": "response.create", "response": {"temperature": 1.1}})
    assert shown_temperature(one, response("response.created")) == 1.1
    assert shown_temperature(one, response("response.created", id="resp_2")) == 0.7
    assert shown_temperature(one, response("response.done")) == 1.1
    assert shown_temperature(one, response("response.done", id="resp_2")) == 0.7


def test_requests_without_an_answer_are_bounded() -> None:
    """A client that only asks does not make us remember without end."""
    one = dialect()
    for _ in range(MOST_ASKED + 5):
        sent_update(one, temperature=0.9)
    assert len(one._updates) == MOST_ASKED
