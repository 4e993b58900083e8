"""A relayed session whose answers a media leg plays: what is told, and where items are cut."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from realtime.errors import PolicyDenied
from realtime.relay.inputs import Loss, RelayedFromClient, UpstreamLost
from realtime.session.effects import ClearPlayback, FinishPlayback, Send
from realtime.session.inputs import Drained, Joined, Opened, PlaybackCleared, Refused
from tests.realtime.relay.test_machine import RESPONSE, Relay, sent_up, shown

PLACE = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
SPEECH = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u"}


@pytest.fixture
def relay() -> Relay:
    """A call that was opened, with a response that runs."""
    relay = Relay(has_leg=True)
    relay.give(Opened(1))
    relay.respond()
    return relay


def said(relay: Relay, ms: int) -> list[Any]:
    """Let the upstream say so much."""
    delta = base64.b64encode(bytes(48 * ms)).decode()
    return relay.upstream(type="response.output_audio.delta", **PLACE, delta=delta)


def told(effects: list[Any]) -> list[str]:
    """Return the types of what clients get, of the upstream and of playback."""
    kinds = [effect.event.type for effect in effects if isinstance(effect, Send)]
    return kinds + [event["type"] for event in shown(effects)]


def done(relay: Relay, status: str = "completed") -> list[Any]:
    """End the response upstream."""
    return relay.upstream(type="response.done", response={**RESPONSE, "status": status})


def test_words_before_their_voice_begin_playback(relay: Relay) -> None:
    """`started` stands before the first words, once."""
    words = relay.upstream(type="response.output_audio_transcript.delta", **PLACE, delta="La")
    kinds = ["output_audio_buffer.started", "response.output_audio_transcript.delta"]
    assert told(words) == kinds
    assert "output_audio_buffer.started" not in told(said(relay, 100))


def test_words_without_a_voice_end_playback_at_once(relay: Relay) -> None:
    """Nothing was given to the leg, so nothing is waited for."""
    relay.upstream(type="response.output_audio_transcript.delta", **PLACE, delta="La")
    assert "output_audio_buffer.stopped" in told(done(relay))


def test_response_that_waits_starts_once_the_one_before_it_was_played(relay: Relay) -> None:
    """The upstream makes answers faster than they are heard."""
    assert "output_audio_buffer.started" in told(said(relay, 500))
    done(relay)
    relay.respond(response_id="s")
    place = {**PLACE, "response_id": "s", "item_id": "j"}
    made = relay.upstream(type="response.output_audio.delta", **place, delta="AAAA")
    assert "output_audio_buffer.started" not in told(made)
    kinds = ["output_audio_buffer.stopped", "output_audio_buffer.started"]
    assert told(relay.give(Drained("r"))) == kinds


def test_response_without_a_voice_that_waits_is_not_told(relay: Relay) -> None:
    """It would stand in the midst of one that is heard."""
    said(relay, 500)
    done(relay)
    relay.respond(response_id="s")
    place = {**PLACE, "response_id": "s", "item_id": "j"}
    relay.upstream(type="response.output_audio_transcript.delta", **place, delta="La")
    ended = relay.upstream(type="response.done", response={**RESPONSE, "id": "s"})
    assert not [kind for kind in told(ended) if kind.startswith("output_audio_buffer")]


def test_item_is_cut_when_its_response_has_ended(relay: Relay) -> None:
    """What is being made cannot be truncated; how much was heard is kept until then."""
    said(relay, 500)
    assert ClearPlayback(("r",)) in relay.upstream(**SPEECH)
    assert sent_up(relay.give(PlaybackCleared("r", {"i": 120}))) == []
    (cut,) = sent_up(done(relay, "cancelled"))
    assert (cut["type"], cut["item_id"]) == ("conversation.item.truncate", "i")
    assert (cut["audio_end_ms"], cut["content_index"]) == (120, 0)


def test_cut_is_told_before_the_response_ends_and_only_once(relay: Relay) -> None:
    """`cleared`, `truncated`, then the close-out (CONTRACT 8.10): the echo is for nobody."""
    said(relay, 500)
    relay.upstream(**SPEECH)
    effects = relay.give(PlaybackCleared("r", {"i": 120}))
    assert told(effects) == ["output_audio_buffer.cleared", "conversation.item.truncated"]
    (event,) = shown(effects)
    assert (event["item_id"], event["content_index"], event["audio_end_ms"]) == ("i", 0, 120)
    assert "conversation.item.truncated" not in told(done(relay, "cancelled"))
    echo = {"type": "conversation.item.truncated", "item_id": "i", "content_index": 0}
    assert shown(relay.upstream(**echo, audio_end_ms=120)) == []
    assert len(shown(relay.upstream(**echo, audio_end_ms=100))) == 1  # somebody else's


def test_item_that_nobody_heard_is_cut_at_a_millisecond(relay: Relay) -> None:
    """Endpoints refuse 0 (CONTRACT 9.4); what was heard is told as it was."""
    said(relay, 500)
    done(relay)
    relay.upstream(**SPEECH)
    effects = relay.give(PlaybackCleared("r", {}))
    assert [cut["audio_end_ms"] for cut in sent_up(effects)] == [1]
    assert [event["audio_end_ms"] for event in shown(effects)] == [0]


def test_refused_cut_is_over_for_clients(relay: Relay) -> None:
    """They were told; an error about an event of ours is none of theirs."""
    said(relay, 500)
    done(relay)
    relay.upstream(**SPEECH)
    (cut,) = sent_up(relay.give(PlaybackCleared("r", {"i": 120})))
    error = {"type": "invalid_request_error", "code": None, "event_id": cut["event_id"]}
    assert relay.upstream(type="error", error=error) == []
    later = relay.upstream(type="conversation.item.truncated", item_id="i")
    assert len(shown(later)) == 1


def test_item_that_began_after_the_silence_is_cut_whole(relay: Relay) -> None:
    """A response that is only silenced goes on upstream; nobody heard what came of it later."""
    said(relay, 500)
    relay.client(type="output_audio_buffer.clear")
    relay.give(PlaybackCleared("r", {"i": 120}))
    delta = base64.b64encode(bytes(4_800)).decode()
    place = {**PLACE, "item_id": "j"}
    relay.upstream(type="response.output_audio.delta", **place, delta=delta)
    effects = done(relay)
    assert [cut["audio_end_ms"] for cut in sent_up(effects)] == [120, 1]
    assert [e["item_id"] for e in shown(effects) if e["type"].endswith("truncated")] == ["j"]


def test_item_of_a_response_that_ended_is_cut_at_once(relay: Relay) -> None:
    """The upstream had made it faster than it is heard."""
    said(relay, 500)
    assert FinishPlayback("r") in done(relay)
    relay.upstream(**SPEECH)
    (cut,) = sent_up(relay.give(PlaybackCleared("r", {"i": 120})))
    assert cut["audio_end_ms"] == 120


def test_item_that_was_heard_to_its_end_is_not_cut(relay: Relay) -> None:
    """Nothing of it is missing."""
    said(relay, 500)
    done(relay)
    relay.upstream(**SPEECH)
    assert sent_up(relay.give(PlaybackCleared("r", {"i": 500}))) == []


def test_caller_does_not_interrupt_where_the_session_says_so(relay: Relay) -> None:
    """`interrupt_response: false` is the session's own word (CONTRACT 5)."""
    detection = {"type": "server_vad", "interrupt_response": False}
    session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    relay.upstream(type="session.updated", session=session)
    said(relay, 500)
    assert ClearPlayback(("r",)) not in relay.upstream(**SPEECH)


def test_response_beside_the_conversation_plays_on(relay: Relay) -> None:
    """Out-of-band responses are not interrupted, and are no items to be cut (CONTRACT 8.10)."""
    done(relay)
    response = {**RESPONSE, "id": "o", "conversation_id": None}
    relay.upstream(type="response.created", response=response)
    relay.upstream(
        type="response.output_audio.delta", **{**PLACE, "response_id": "o"}, delta="AAAA"
    )
    assert not [e for e in relay.upstream(**SPEECH) if isinstance(e, ClearPlayback)]
    assert ClearPlayback(("o",)) in relay.client(type="output_audio_buffer.clear")
    relay.give(PlaybackCleared("o", {}))
    assert sent_up(relay.upstream(type="response.done", response=response)) == []


def test_item_of_a_lost_connection_is_cut_here(relay: Relay) -> None:
    """Nobody else holds its audio; what of its words was heard is unknown, so none is kept."""
    item = {"id": "i", "type": "message", "role": "assistant", "content": [{"text": "La"}]}
    said(relay, 500)
    relay.upstream(type="conversation.item.done", previous_item_id=None, item=item)
    done(relay)
    relay.give(UpstreamLost(Loss.CLOSED))
    assert ClearPlayback(("r",)) in relay.client(type="output_audio_buffer.clear")
    effects = relay.give(PlaybackCleared("r", {"i": 120}))
    assert sent_up(effects) == []
    assert told(effects)[-1] == "conversation.item.truncated"
    assert relay.machine._memory.conversation() == []


def test_refused_response_falls_silent(relay: Relay) -> None:
    """Policy may be slower than the upstream's voice."""
    done(relay)
    relay.upstream(type="response.created", response=RESPONSE)
    said(relay, 500)
    effects = relay.give(Refused(relay.questions.pop(0), PolicyDenied("no")))
    assert ClearPlayback(("r",)) in effects


def test_audio_of_no_running_response_is_not_played(relay: Relay) -> None:
    """It would never end, and block what comes after it."""
    said(relay, 100)
    done(relay)
    relay.give(Drained("r"))
    assert told(said(relay, 100)) == []


def test_controller_that_joins_is_shown_the_session_alone(relay: Relay) -> None:
    """As it is now; the others know it."""
    (effect,) = relay.give(Joined(2))
    assert effect.to == 2
    assert (effect.event["type"], effect.event["session"]["model"]) == ("session.created", "ours")


def test_error_is_told_to_who_asked(relay: Relay) -> None:
    """The upstream names the event; the gateway knows whose it was."""
    relay.client(type="input_audio_buffer.commit", event_id="mine")
    error = {"type": "invalid_request_error", "code": None, "message": "", "event_id": "mine"}
    (effect,) = relay.upstream(type="error", error=error)
    assert effect.to == 1


def test_error_of_an_event_without_an_id_is_told_to_who_asked(relay: Relay) -> None:
    """It goes up under an id of ours, and comes back without one (CONTRACT 14)."""
    (up,) = sent_up(relay.give(RelayedFromClient(2, {"type": "input_audio_buffer.commit"}, 10)))
    error = {"type": "invalid_request_error", "code": None, "message": ""}
    (effect,) = relay.upstream(type="error", error={**error, "event_id": up["event_id"]})
    assert effect.to == 2
    assert effect.event["error"] == {**error, "event_id": None}


def test_request_that_is_never_answered_is_told_to_who_asked(relay: Relay) -> None:
    """As any error of its event, also where it had no id."""
    done(relay)
    relay.give(RelayedFromClient(2, {"type": "response.create"}, 10))
    relay.allow()
    (error,) = (e for e in relay.wait() if getattr(e, "event", {}).get("type") == "error")
    assert (error.to, error.event["error"]["event_id"]) == (2, None)


def test_retrieved_item_is_shown_to_who_asked(relay: Relay) -> None:
    """Whoever asked for which, in whatever order they are shown."""
    for controller, item_id in ((1, "a"), (2, "b")):
        ask = {"type": "conversation.item.retrieve", "item_id": item_id}
        relay.give(RelayedFromClient(controller, ask, 10))
    kind = "conversation.item.retrieved"
    answers = [relay.upstream(type=kind, item={"id": item_id}) for item_id in ("b", "a")]
    assert [effect.to for effects in answers for effect in effects] == [2, 1]


def asks(relay: Relay, controller: int, **event: Any) -> None:
    """Let a controller ask for something."""
    relay.give(RelayedFromClient(controller, event, 10))
    if relay.questions:
        relay.allow()


BAD = {"type": "invalid_request_error", "code": "invalid_value", "message": "no", "param": None}
UPDATE = {"type": "session.update", "session": {"type": "realtime", "tool_choice": "smell"}}


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ({"type": "conversation.item.create", "item": {}}, UPDATE, {"param": "session.tool_choice"}),
        (UPDATE, {"type": "conversation.item.create", "item": {}}, {"param": "item.type"}),
        (UPDATE, {"type": "response.create"}, {"code": "conversation_already_has_active_response"}),
        (UPDATE, {"type": "response.cancel"}, {"code": "response_cancel_not_active"}),
        (UPDATE, {"type": "input_audio_buffer.commit"}, {"code": "input_audio_buffer_commit_empty"}),
        ({"type": "response.cancel"}, {"type": "response.create"}, {"code": "whatever"}),
        ({"type": "session.close"}, {"type": "conversation.item.retrieve", "item_id": "x"},
         {"code": "item_retrieve_invalid_item_id"}),
    ],
)  # fmt: skip
def test_error_that_names_no_event_is_told_to_whom_it_is_about(
    relay: Relay, first: dict[str, Any], second: dict[str, Any], error: dict[str, Any]
) -> None:
    """Its code or the place in it shows the kind of event; the contract's `event_id` is there."""
    done(relay)
    asks(relay, 1, event_id="first", **first)
    asks(relay, 2, event_id="second", **second)
    (effect,) = relay.upstream(type="error", error={**BAD, **error})
    assert (effect.to, effect.event["error"]["event_id"]) == (2, "second")


def test_error_that_is_about_nothing_is_told_to_all(relay: Relay) -> None:
    """An endpoint that names events did not mean any of these."""
    done(relay)
    asks(relay, 1, event_id="first", **UPDATE)
    relay.upstream(type="error", error={**BAD, "event_id": "first"})
    asks(relay, 2, event_id="second", **UPDATE)
    (effect,) = relay.upstream(type="error", error={**BAD, "param": "session.tool_choice"})
    assert (effect.to, effect.event["error"].get("event_id")) == (None, None)


def test_error_that_names_no_event_still_ends_the_oldest_request(relay: Relay) -> None:
    """Some endpoints do not say what an error is about; nothing must be owed for ever."""
    done(relay)
    relay.give(RelayedFromClient(2, {"type": "response.create"}, 10))
    relay.allow()
    error = {"type": "invalid_request_error", "code": None, "message": "", "event_id": None}
    relay.upstream(type="error", error=error)
    relay.wait()
    assert relay.machine._down.up
    assert not relay.machine._down.is_owed
