"""Random walks over everything that can happen; the invariants hold after each (EXAMPLES 2)."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainText,
    DetectionLost,
    EngineFault,
    RecognitionFailed,
    SpeechFailed,
    SpeechFinished,
    SpeechProduced,
    TranscriptFinal,
)
from realtime.session import effects as fx
from realtime.session.inputs import EndReason, Shutdown
from tests.realtime.driver import Driver, text_item

FAULT = EngineFault("broken", "Broken.")


def rid(number: int) -> str:
    return f"resp_{number:021d}"


STEPS: list[Any] = [
    lambda d, n: d.audio(32 * (n % 12 + 1), voiced=True),
    lambda d, n: d.audio(32 * (n % 12 + 1), voiced=False),
    lambda d, n: d.audio(n * 20),
    lambda d, n: d.client("input_audio_buffer.commit"),
    lambda d, n: d.client("input_audio_buffer.clear"),
    lambda d, n: d.client("response.create"),
    lambda d, n: d.client("response.create", response={"conversation": "none"}),
    lambda d, n: d.client("response.create", response={"output_modalities": ["text"]}),
    lambda d, n: d.client("response.create", response={"max_output_tokens": n + 1}),
    lambda d, n: d.client("response.cancel"),
    lambda d, n: d.client("response.cancel", response_id=rid(n)),
    lambda d, n: d.client("conversation.item.create", item=text_item("t", id=f"i{n % 5}")),
    lambda d, n: d.client(
        "conversation.item.create", previous_item_id="root", item=text_item("front")
    ),
    lambda d, n: d.client("conversation.item.delete", item_id=f"i{n % 5}"),
    lambda d, n: d.client("conversation.item.delete", item_id=f"item_{n:021d}"),
    lambda d, n: d.client(
        "conversation.item.truncate",
        item_id=f"item_{n:021d}",
        content_index=0,
        audio_end_ms=n * 30,
    ),
    lambda d, n: d.client("conversation.item.retrieve", item_id=f"i{n % 5}"),
    lambda d, n: d.client(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": None}}},
    ),
    lambda d, n: d.client(
        "session.update",
        session={
            "type": "realtime",
            "audio": {"input": {"turn_detection": {"type": "server_vad"}}},
        },
    ),
    lambda d, n: d.client("nope"),
    lambda d, n: d.give(BrainText(rid(n), "Words here. ", n % 2 == 0)),
    lambda d, n: d.give(BrainFinished(rid(n))),
    lambda d, n: d.give(BrainFailed(rid(n), FAULT)),
    lambda d, n: d.give(BrainCallStarted(rid(n), f"call_{n}", "f")),
    lambda d, n: d.give(BrainCallArguments(rid(n), f"call_{n}", "{}")),
    lambda d, n: d.give(BrainCallFinished(rid(n), f"call_{n}")),
    lambda d, n: d.give(SpeechProduced(f"seg_{n:021d}", n * 240)),
    lambda d, n: d.give(SpeechFinished(f"seg_{n:021d}")),
    lambda d, n: d.give(SpeechFailed(f"seg_{n:021d}", FAULT)),
    lambda d, n: d.give(TranscriptFinal(f"item_{n:021d}", "words")),
    lambda d, n: d.give(RecognitionFailed(f"item_{n:021d}", FAULT)),
    lambda d, n: d.give(DetectionLost(FAULT)),
    lambda d, n: d.run(until_ms=d.now_ms + n * 10),
]


class Watch:
    """Checks each event against what came before."""

    def __init__(self) -> None:
        self.live: dict[str, str | None] = {}
        self.done: set[str] = set()
        self.open_items: dict[str, str] = {}
        self.speaking = False
        self.items: set[str] = set()

    def see(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        owner = event.get("response_id")
        if owner is not None:
            assert owner in self.live, f"{kind} of a response that is over"
        handler = getattr(self, "on_" + kind.replace(".", "_"), None)
        if handler is not None:
            handler(event)

    def on_response_created(self, event: dict[str, Any]) -> None:
        response = event["response"]
        conversation = response["conversation_id"]
        assert response["id"] not in self.live
        assert response["id"] not in self.done
        if conversation is not None:
            assert conversation not in self.live.values(), "two live responses"
        self.live[response["id"]] = conversation

    def on_response_done(self, event: dict[str, Any]) -> None:
        response = event["response"]
        del self.live[response["id"]]
        self.done.add(response["id"])
        left = [item for item, owner in self.open_items.items() if owner == response["id"]]
        assert not left, "an item was added and never done"

    def on_response_output_item_added(self, event: dict[str, Any]) -> None:
        assert event["response_id"] not in self.open_items.values(), "items overlap"
        self.open_items[event["item"]["id"]] = event["response_id"]

    def on_response_output_item_done(self, event: dict[str, Any]) -> None:
        del self.open_items[event["item"]["id"]]

    def on_conversation_item_added(self, event: dict[str, Any]) -> None:
        previous = event["previous_item_id"]
        assert previous is None or previous in self.items
        self.items.add(event["item"]["id"])

    def on_conversation_item_done(self, event: dict[str, Any]) -> None:
        previous = event["previous_item_id"]
        assert previous is None or previous in self.items

    def on_conversation_item_deleted(self, event: dict[str, Any]) -> None:
        self.items.remove(event["item_id"])

    def on_input_audio_buffer_speech_started(self, event: dict[str, Any]) -> None:
        assert not self.speaking
        self.speaking = True

    def on_input_audio_buffer_speech_stopped(self, event: dict[str, Any]) -> None:
        assert self.speaking
        self.speaking = False

    def on_input_audio_buffer_committed(self, event: dict[str, Any]) -> None:
        self.speaking = False

    def on_input_audio_buffer_cleared(self, event: dict[str, Any]) -> None:
        self.speaking = False

    def on_session_updated(self, event: dict[str, Any]) -> None:
        if event["session"]["audio"]["input"]["turn_detection"] is None:
            self.speaking = False


def check_samples(driver: Driver) -> None:
    """Samples in are committed, let go, or pending; ranges never overlap."""
    position = 0
    for effect in driver.effects:
        if isinstance(effect, fx.KeepAudio):
            assert position <= effect.start <= effect.end
            position = effect.end
    listening = driver.machine._listening
    assert position <= listening.appended
    assert 0 <= listening.pending <= listening.appended


WALKS = st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 12)), max_size=60)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WALKS, st.booleans())
def test_random_walk_keeps_every_invariant(walk: list[tuple[int, int]], scripted: bool) -> None:
    """Whatever happens, in whatever order, the events stay lawful."""
    take_walk(walk, scripted=scripted)


def take_walk(walk: list[tuple[int, int]], *, scripted: bool) -> None:
    """Take the steps and check every event."""
    driver = Driver() if scripted else Driver(brain=lambda _: [], transcript=None, speech_ms=0)
    watch = Watch()
    seen = 0
    for step, number in walk:
        STEPS[step](driver, number)
        for event in driver.sent[seen:]:
            watch.see(event)
        seen = len(driver.sent)
        check_samples(driver)
    driver.give(Shutdown(EndReason.SERVER_SHUTDOWN))
    for event in driver.sent[seen:]:
        watch.see(event)
    assert not watch.live, "a response without its done"
    assert isinstance(driver.effects[-1], fx.Close)
    ended = len(driver.effects)
    driver.client("response.create")
    driver.audio(200, voiced=True)
    assert len(driver.effects) == ended
