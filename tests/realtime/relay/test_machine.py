"""The machine of a relayed session, without sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime.engine import FunctionSpec
from realtime.errors import KeyRevoked, PolicyDenied, WireFault
from realtime.ids import SequentialIds
from realtime.relay.effects import DropUpstream, FallBack, Redial, SendRelayed, SendUpstream
from realtime.relay.inputs import (
    FromUpstream,
    Loss,
    RelayedFromClient,
    UpstreamLost,
    UpstreamReady,
    UpstreamUnreachable,
)
from realtime.relay.limits import RelayLimits
from realtime.relay.machine import RENEW_BEFORE_MS, RelaySession
from realtime.relay.offers import RelayTools
from realtime.session.effects import Ask, Close, RecordUsage, ReserveTokens, Send
from realtime.session.inputs import (
    Allowed,
    EndReason,
    Input,
    Opened,
    Refused,
    Revoked,
    Shutdown,
    TokensRefused,
)

SESSION = {"type": "realtime", "id": "theirs", "model": "theirs", "expires_at": 1}
CREATED = {"type": "session.created", "event_id": "e", "session": SESSION}
RESPONSE = {"id": "r", "status": "in_progress", "output": [], "usage": None}
LIMITS = RelayLimits(max_duration_ms=600_000, silence_ms=1_000, reconnect_ms=2_000)


class Relay:
    """A machine with a clock."""

    def __init__(
        self,
        lasts_ms: int | None = None,
        *,
        has_leg: bool = False,
        tools: RelayTools | None = None,
        session: dict[str, Any] | None = None,
        limits: RelayLimits = LIMITS,
    ) -> None:
        self.machine = RelaySession(
            {**CREATED, "session": session or SESSION},
            model="ours",
            expires_at=99,
            ids=SequentialIds(),
            limits=limits,
            lasts_ms=lasts_ms,
            has_leg=has_leg,
            tools=tools,
        )
        self.now_ms = 0
        self.questions: list[int] = []

    def give(self, given: Input) -> list[Any]:
        """Give an input; return what it brings about."""
        self.machine.receive(given, self.now_ms)
        return self._done()

    def _done(self) -> list[Any]:
        effects = self.machine.effects()
        self.questions += [effect.question for effect in effects if isinstance(effect, Ask)]
        return list(effects)

    def client(self, **event: Any) -> list[Any]:
        """Give a client event."""
        return self.give(RelayedFromClient(1, event, 10))

    def allow(self) -> list[Any]:
        """Answer the oldest question."""
        return self.give(Allowed(self.questions.pop(0)))

    def upstream(self, **event: Any) -> list[Any]:
        """Give an upstream event."""
        return self.give(FromUpstream(event, json.dumps(event)))

    def wait(self) -> list[Any]:
        """Let time pass to the deadline."""
        self.now_ms = self.machine.deadline() or self.now_ms
        self.machine.expire(self.now_ms)
        return self._done()

    def respond(self, response_id: str = "r") -> None:
        """Let a response begin that the client asked for."""
        self.client(type="response.create")
        self.allow()
        self.upstream(type="response.created", response={**RESPONSE, "id": response_id})


def shown(effects: list[Any]) -> list[Any]:
    """Return the events that clients get of an upstream."""
    return [effect.event for effect in effects if isinstance(effect, SendRelayed)]


def sent_up(effects: list[Any]) -> list[Any]:
    """Return the events that go up."""
    return [effect.event for effect in effects if isinstance(effect, SendUpstream)]


@pytest.fixture
def relay() -> Relay:
    """A session that was opened."""
    relay = Relay()
    relay.give(Opened(1))
    return relay


class TestUp:
    def test_events_behind_a_question_keep_their_order(self, relay: Relay) -> None:
        """What policy is asked about holds up what came after it."""
        assert sent_up(relay.client(type="conversation.item.create", item={})) == []
        assert sent_up(relay.client(type="input_audio_buffer.append", audio="")) == []
        assert not relay.machine.passing
        went = [event["type"] for event in sent_up(relay.allow())]
        assert went == ["conversation.item.create", "input_audio_buffer.append"]
        assert relay.machine.passing

    def test_refused_event_does_not_go_up(self, relay: Relay) -> None:
        """Its sender is told, and the next one goes."""
        relay.client(type="session.update", session={}, event_id="mine")
        relay.client(type="input_audio_buffer.clear")
        effects = relay.give(Refused(relay.questions.pop(), PolicyDenied("no")))
        (told,) = [effect for effect in effects if isinstance(effect, Send)]
        assert (told.to, told.event.error.event_id) == (1, "mine")  # type: ignore[union-attr]
        assert [event["type"] for event in sent_up(effects)] == ["input_audio_buffer.clear"]

    def test_model_of_an_update_is_the_operators(self, relay: Relay) -> None:
        """The client's name means nothing upstream, and cannot choose another model."""
        relay.client(type="session.update", session={"type": "realtime", "model": "dearer"})
        (update,) = sent_up(relay.allow())
        assert update["session"] == {"type": "realtime"}

    def test_waiting_events_are_bounded(self, relay: Relay) -> None:
        """By number and by size; then the client is not read."""
        relay.client(type="response.create")
        relay.give(RelayedFromClient(1, {"type": "x"}, LIMITS.max_waiting_bytes))
        assert relay.machine.congested
        relay.allow()
        assert not relay.machine.congested


class TestDown:
    def test_event_that_nobody_knows_passes_as_it_came(self, relay: Relay) -> None:
        """With its text."""
        (effect,) = relay.upstream(type="vendor.new", value=1.0)
        assert effect == SendRelayed({"type": "vendor.new", "value": 1.0}, effect.text)
        assert effect.text is not None

    def test_rate_limits_of_the_operator_are_not_shown(self, relay: Relay) -> None:
        """The client has limits of its own."""
        assert relay.upstream(type="rate_limits.updated", rate_limits=[]) == []

    def test_usage_is_booked_as_counted_upstream(self, relay: Relay) -> None:
        """Whatever stands where a number should is nothing."""
        relay.respond()
        usage = {"total_tokens": 7, "input_tokens": 5, "output_tokens": "2"}
        done = {**RESPONSE, "status": "completed", "usage": usage}
        effects = relay.upstream(type="response.done", response=done)
        (booked,) = [effect for effect in effects if isinstance(effect, RecordUsage)]
        assert (booked.response_id, booked.status, booked.estimated) == ("r", "completed", False)
        assert (booked.usage.total_tokens, booked.usage.output_tokens) == (7, 0)

    def test_allowance_without_room_ends_the_response(self, relay: Relay) -> None:
        """Cancelled upstream; the client sees it fail and nothing of its content."""
        relay.client(type="response.create")
        relay.allow()
        effects = relay.upstream(type="response.created", response=RESPONSE)
        assert any(isinstance(effect, ReserveTokens) for effect in effects)
        fault = WireFault("full", code="rate_limit_exceeded")
        (cancel,) = sent_up(relay.give(TokensRefused("r", fault)))
        assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "r")
        assert relay.machine.refusing
        assert relay.upstream(type="response.output_audio.delta", response_id="r") == []
        ended = {**RESPONSE, "status": "cancelled", "output": [{"id": "i"}]}
        (done,) = shown(relay.upstream(type="response.done", response=ended))
        assert done["response"]["status"] == "failed"
        assert done["response"]["status_details"]["error"]["code"] == "rate_limit_exceeded"
        assert done["response"]["output"] == []
        assert not relay.machine.refusing

    def test_response_that_began_unasked_is_asked_about(self, relay: Relay) -> None:
        """Voice activity upstream starts responses; policy may end them."""
        effects = relay.upstream(type="response.created", response=RESPONSE)
        (asked,) = [effect for effect in effects if isinstance(effect, Ask)]
        assert asked.action == "response.automatic"
        went = sent_up(relay.give(Refused(asked.question, PolicyDenied("no"))))
        assert [event["type"] for event in went] == ["response.cancel"]

    def test_details_about_the_account_are_not_in_a_failed_response(self, relay: Relay) -> None:
        """Neither there nor in an `error` event."""
        relay.respond()
        error = {"type": "x", "code": "insufficient_quota", "message": "org-1 is broke"}
        failed = {**RESPONSE, "status": "failed", "status_details": {"error": error}}
        (done,) = shown(relay.upstream(type="response.done", response=failed))
        assert "org-1" not in json.dumps(done)

    def test_refused_update_that_is_not_named_is_undone(self, relay: Relay) -> None:
        """The next echo is that of the next update."""
        tool = {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}
        for tools in ([{**tool, "server_label": "bad"}], [tool]):
            relay.client(type="session.update", event_id="mine", session={"tools": tools})
            relay.allow()
        error = {"type": "invalid_request_error", "message": "no", "param": "session.voice"}
        (told,) = shown(relay.upstream(type="error", error=error))
        assert told["error"]["event_id"] == "mine"
        echo, *_ = shown(relay.upstream(type="session.updated", session={**SESSION, "tools": []}))
        assert echo["session"]["tools"] == [tool]

    def test_tools_that_the_upstream_refuses_are_no_clients_error(self) -> None:
        """What the gateway offered is its own affair, also where the error does not say so."""
        spec = FunctionSpec(name="f", description="", parameters={})
        relay = Relay(tools=RelayTools(tools=(spec,)))
        relay.give(Opened(1))
        error = {"type": "invalid_request_error", "message": "no", "param": "session.tools[0]"}
        assert shown(relay.upstream(type="error", error=error)) == []

    @pytest.mark.parametrize(
        ("body", "kind", "message"),
        [
            ({"error": "It broke.", "code": "oops"}, "server_error", "It broke."),
            ({"message": "It broke."}, "server_error", "It broke."),
            ({"error": {"code": 7, "message": "It broke."}}, "server_error", "It broke."),
            ({"error": {"type": "x"}}, "x", "The model's endpoint reported an error."),
            ({}, "server_error", "The model's endpoint reported an error."),
        ],
    )
    def test_error_of_another_shape_is_told_in_the_contracts(
        self, relay: Relay, body: dict[str, Any], kind: str, message: str
    ) -> None:
        """Every key is there, and what can be read of it (CONTRACT 16)."""
        (told,) = shown(relay.upstream(type="error", **body))
        assert isinstance(told["event_id"], str)
        assert told["error"].keys() == {"type", "code", "message", "param", "event_id"}
        assert (told["error"]["type"], told["error"]["message"]) == (kind, message)


class TestLoss:
    def test_idle_loss_is_not_told(self, relay: Relay) -> None:
        """The connection is dropped and another one asked for."""
        effects = relay.give(UpstreamLost(Loss.CLOSED))
        assert effects == [DropUpstream(Loss.CLOSED), Redial(0, None)]

    def test_running_response_fails_with_its_open_items(self, relay: Relay) -> None:
        """The items that never ended end as incomplete, then the response."""
        relay.respond()
        item = {"id": "i", "status": "in_progress"}
        relay.upstream(
            type="response.output_item.added", response_id="r", output_index=0, item=item
        )
        ended, done = shown(relay.give(UpstreamLost(Loss.CLOSED)))
        assert (ended["type"], ended["item"]["status"]) == (
            "response.output_item.done",
            "incomplete",
        )
        assert done["response"]["output"] == [ended["item"]]

    def test_client_events_wait_for_the_next_connection(self, relay: Relay) -> None:
        """What was not answered goes again, then what waited, behind what is said again."""
        relay.client(type="conversation.item.create", item={"type": "message"}, event_id="lost")
        relay.allow()
        item = {"id": "a", "type": "message", "role": "user", "content": [{"text": "before"}]}
        relay.upstream(type="conversation.item.done", item=item, previous_item_id=None)
        relay.client(type="conversation.item.create", item={"id": "new"}, event_id="lost")
        relay.allow()
        relay.give(UpstreamLost(Loss.CLOSED))
        relay.client(type="input_audio_buffer.clear")
        went = sent_up(relay.give(UpstreamReady(SESSION)))
        assert [event.get("event_id") for event in went] == ["relay_1", "lost", None]
        assert went[0]["item"]["id"] == "a"
        for kind in ("added", "done"):
            echoed = relay.upstream(type=f"conversation.item.{kind}", item=item)
            assert shown(echoed) == []

    def test_trouble_that_lasts_ends_the_session(self, relay: Relay) -> None:
        """With a close code that SDKs retry."""
        effects = relay.give(UpstreamLost(Loss.CLOSED))
        for _ in range(50):
            if relay.machine.closed:
                break
            (dial,) = [effect for effect in effects if isinstance(effect, Redial)]
            relay.now_ms += dial.delay_ms
            effects = relay.give(UpstreamUnreachable())
        assert relay.now_ms <= LIMITS.reconnect_ms
        assert effects[-1].code == 1011
        assert effects[-1].end_reason is EndReason.ENGINE_FAILED

    def test_connections_that_break_at_once_do_not_go_on_for_ever(self, relay: Relay) -> None:
        """Reaching an upstream that sends garbage is no recovery."""
        effects: list[Any] = []
        for _ in range(50):
            effects = relay.give(UpstreamLost(Loss.GARBAGE))
            if relay.machine.closed:
                break
            relay.now_ms += effects[-1].delay_ms
            relay.give(UpstreamReady(SESSION))
        assert isinstance(effects[-1], Close)

    def test_silence_while_a_response_runs_is_a_loss(self, relay: Relay) -> None:
        """Audio that passes by is no silence."""
        relay.respond()
        relay.now_ms = 900
        relay.machine.heard(relay.now_ms)
        assert relay.machine.deadline() == 1_900
        (done,) = shown(relay.wait())
        assert done["response"]["status_details"]["error"]["code"] == "upstream_timeout"

    def test_silence_of_an_idle_session_is_none(self, relay: Relay) -> None:
        """Nothing is owed, so only the session's own end is waited for."""
        assert relay.machine.deadline() == LIMITS.max_duration_ms
        assert relay.wait()[-1].end_reason is EndReason.EXPIRED

    @pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013])
    def test_close_that_may_be_tried_again_is_tried_again(self, relay: Relay, code: int) -> None:
        """By the codes of CONTRACT 4."""
        assert isinstance(relay.give(UpstreamLost(Loss.CLOSED, code))[-1], Redial)

    def test_fatal_close_about_the_account_is_a_server_error(self, relay: Relay) -> None:
        """Whose key is wrong is not for the client."""
        error = {"type": "invalid_request_error", "code": "invalid_api_key", "message": "sk-1"}
        (told,) = shown(relay.upstream(type="error", error=error))
        assert "sk-1" not in told["error"]["message"]
        end = relay.give(UpstreamLost(Loss.CLOSED, 3000))[-1]
        assert (end.code, end.reason) == (1011, "server_error")


class TestEnd:
    def test_nothing_is_done_after_the_end(self, relay: Relay) -> None:
        """Whatever comes."""
        assert isinstance(relay.give(Shutdown(EndReason.CLIENT_CLOSED, 1000))[-1], Close)
        assert relay.client(type="response.create") == []
        assert relay.upstream(type="vendor.new") == []
        assert relay.give(UpstreamLost(Loss.CLOSED)) == []
        assert relay.machine.deadline() is None

    def test_revoked_key_ends_the_session(self, relay: Relay) -> None:
        """With its fault."""
        effects = relay.give(Revoked(KeyRevoked()))
        assert effects[-1].end_reason is EndReason.REVOKED

    @pytest.mark.parametrize(
        "event",
        [
            {"type": "response.created"},
            {"type": "response.created", "response": {"id": 1}},
            {"type": "response.done", "response": None},
            {"type": "session.updated", "session": 1},
            {"type": "conversation.item.added", "item": []},
            {"type": "response.output_item.added", "response_id": "r", "item": 1},
            {"type": "error"},
            {"type": "error", "error": {}},
        ],
    )
    def test_event_of_an_odd_shape_breaks_nothing(self, relay: Relay, event: Any) -> None:
        """It is nobody's promise what an upstream sends."""
        relay.upstream(**event)
        assert not relay.machine.closed


class TestRenewal:
    """Another connection before the upstream's session limit, at a quiet moment."""

    LASTS_MS = 400_000
    DUE_MS = LASTS_MS - RENEW_BEFORE_MS

    @pytest.fixture
    def limited(self) -> Relay:
        """A session whose upstream lasts LASTS_MS."""
        relay = Relay(lasts_ms=self.LASTS_MS)
        relay.give(Opened(1))
        return relay

    def test_quiet_session_is_renewed_before_the_limit(self, limited: Relay) -> None:
        """The client is told nothing."""
        effects = limited.wait()
        assert limited.now_ms == self.DUE_MS
        assert effects == [DropUpstream(Loss.RENEWED), Redial(0, None)]

    def test_next_connection_has_a_limit_of_its_own(self, limited: Relay) -> None:
        """The clock begins anew with the connection; one that states no limit has none."""
        limited.wait()
        limited.give(UpstreamReady(SESSION, self.LASTS_MS))
        assert limited.machine.deadline() == 2 * self.DUE_MS
        limited.wait()
        limited.give(UpstreamReady(SESSION))
        assert limited.machine.deadline() == LIMITS.max_duration_ms

    def test_running_response_is_waited_for(self, limited: Relay) -> None:
        """The limit is met when the response is over."""
        limited.respond()
        limited.now_ms = self.DUE_MS + 500
        limited.upstream(type="response.output_text.delta")
        assert (limited.machine.deadline() or 0) > limited.now_ms
        limited.upstream(type="response.done", response={**RESPONSE, "status": "completed"})
        assert limited.machine.deadline() == self.DUE_MS
        limited.machine.expire(limited.now_ms)
        assert DropUpstream(Loss.RENEWED) in limited.machine.effects()

    @pytest.mark.parametrize("end", ["committed", "cleared"])
    def test_speech_is_waited_for(self, limited: Relay, end: str) -> None:
        """What is being said would be lost."""
        limited.upstream(type="input_audio_buffer.speech_started", audio_start_ms=0, item_id="i")
        assert limited.machine.deadline() == LIMITS.max_duration_ms
        limited.upstream(type=f"input_audio_buffer.{end}", item_id="i")
        assert limited.machine.deadline() == self.DUE_MS

    def test_audio_that_waits_for_its_commit_is_not_lost(self, limited: Relay) -> None:
        """Push to talk: every append counts until the commit; with turn detection none does."""
        limited.machine.appended()
        assert limited.machine.deadline() == LIMITS.max_duration_ms
        detection = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
        limited.upstream(type="session.updated", session={**SESSION, **detection})
        assert limited.machine.deadline() == self.DUE_MS


class TestSpeech:
    def test_speech_that_is_lost_ends_for_the_client(self, relay: Relay) -> None:
        """As long as it lasted, and the buffer is empty."""
        relay.upstream(type="input_audio_buffer.speech_started", audio_start_ms=100, item_id="i")
        relay.now_ms += 700
        stopped, cleared = shown(relay.give(UpstreamLost(Loss.CLOSED)))
        assert stopped["type"] == "input_audio_buffer.speech_stopped"
        assert (stopped["item_id"], stopped["audio_end_ms"]) == ("i", 800)
        assert cleared["type"] == "input_audio_buffer.cleared"


class TestFallback:
    def test_other_endpoint_is_tried_before_the_session_ends(self) -> None:
        """After a while, not at once, and each only once."""
        limits = RelayLimits(reconnect_ms=2_000, fall_back_ms=500, fallbacks=1)
        relay = Relay(limits=limits)
        relay.give(Opened(1))
        effects = relay.give(UpstreamLost(Loss.CLOSED))
        assert FallBack() not in effects
        fell_back_ms = []
        while not relay.machine.closed:
            (dial,) = [effect for effect in effects if isinstance(effect, Redial)]
            relay.now_ms += dial.delay_ms
            effects = relay.give(UpstreamUnreachable())
            if FallBack() in effects:
                fell_back_ms.append(relay.now_ms)
        assert len(fell_back_ms) == 1
        assert 200 <= fell_back_ms[0] <= 500
        assert relay.now_ms <= fell_back_ms[0] + 2_000

    def test_endpoint_that_refuses_the_account_is_left_at_once(self) -> None:
        """It will not think otherwise."""
        relay = Relay(limits=RelayLimits(fallbacks=1))
        relay.give(Opened(1))
        relay.upstream(type="error", error={"type": "x", "code": "insufficient_quota"})
        effects = relay.give(UpstreamLost(Loss.CLOSED, 3000))
        assert [type(effect) for effect in effects] == [DropUpstream, FallBack, Redial]

    def test_content_that_is_refused_is_refused_for_good(self) -> None:
        """Another endpoint is not asked to overlook it."""
        relay = Relay(limits=RelayLimits(fallbacks=1))
        relay.give(Opened(1))
        relay.upstream(type="error", error={"type": "x", "code": "content_refused"})
        assert isinstance(relay.give(UpstreamLost(Loss.CLOSED, 4000))[-1], Close)
