"""Several clients of one session: each sees it in its own way."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.sessions.controllers import Controllers
from gateway.sessions.dialects import Beta
from gateway.sessions.encoding import frame
from gateway.sessions.projection import HIDEABLE, PLAIN, Projection
from realtime.dialects.beta.dialect import BetaDialect
from realtime.events.server import SessionCreated
from realtime.ids import SequentialIds
from realtime.session.config import fresh_config


class Client:
    """A controller that remembers what it got."""

    def __init__(self, projection: Projection = PLAIN) -> None:
        self.projection = projection
        self.got: list[str] = []
        self.closed: list[tuple[int, str]] = []

    def send(self, text: str) -> None:
        self.got.append(text)

    def pass_on(self, frame: bytes) -> bool:
        self.got.append(frame.decode())
        return True

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


def beta() -> Projection:
    """The view of a client that speaks the beta."""
    translation = BetaDialect(ids=SequentialIds(), rate_limits=list, conversation_id="conv_1")
    return Projection(Beta(translation))


@pytest.fixture
def echo() -> str:
    """The frame of `session.created`."""
    config = fresh_config(session_id="sess_1", model="gpt-realtime", expires_at=1)
    return frame(SessionCreated(event_id="event_1", session=config))


class TestControllers:
    def test_event_for_all_reaches_each_in_order_of_arrival(self) -> None:
        """And one for an originator reaches it alone."""
        controllers, one, two = Controllers(), Client(), Client()
        first, second = controllers.add(one), controllers.add(two)
        controllers.send("a", None)
        controllers.send("b", second)
        controllers.send("c", first)
        assert (one.got, two.got) == (["a", "c"], ["a", "b"])

    def test_audio_reaches_those_who_want_it_in_events(self) -> None:
        """A data channel hears it by other means."""
        controllers, socket, channel = Controllers(), Client(), Client(Projection(audio=False))
        controllers.add(socket)
        controllers.add(channel)
        controllers.send_audio("audio")
        assert (socket.got, channel.got) == (["audio"], [])

    def test_frame_passes_as_it_is_only_to_one_client_that_sees_everything(self) -> None:
        """Any other gets its own frame, and so do two."""
        controllers, one, two = Controllers(), Client(), Client()
        assert not controllers.pass_on(b"nobody")
        controllers.add(one)
        assert controllers.pass_on(b"frame")
        number = controllers.add(two)
        assert not controllers.pass_on(b"two")
        controllers.remove(number)
        assert controllers.pass_on(b"again")
        controllers.close(1000, "")
        assert not controllers.pass_on(b"late")
        assert (one.got, two.got) == (["frame", "again"], [])

    @pytest.mark.parametrize("audio", [True, False])
    def test_frame_does_not_pass_to_a_client_with_a_view_of_its_own(self, *, audio: bool) -> None:
        """It may hide fields, or hear audio elsewhere."""
        controllers = Controllers()
        controllers.add(Client(Projection(audio=audio, hidden=frozenset(HIDEABLE))))
        assert not controllers.pass_on(b"frame")

    def test_one_that_left_gets_nothing(self) -> None:
        """Nor does sending to it break anything."""
        controllers, client = Controllers(), Client()
        number = controllers.add(client)
        controllers.remove(number)
        controllers.send("late", number)
        controllers.send("late", None)
        controllers.close(1000, "")
        assert (client.got, client.closed) == ([], [])


class TestDialects:
    def test_controllers_of_one_session_each_hear_their_own_dialect(self, echo: str) -> None:
        """One event in, and each client gets it in its own words."""
        controllers, new, old = Controllers(), Client(), Client(beta())
        controllers.add(new)
        controllers.add(old)
        controllers.send(echo, None)
        assert new.got == [echo]
        assert [json.loads(text)["type"] for text in old.got] == [
            "session.created",
            "conversation.created",
        ]
        assert json.loads(old.got[0])["session"]["modalities"] == ["audio", "text"]

    def test_audio_delta_is_renamed_and_otherwise_untouched(self) -> None:
        """The hot frame costs a beta client no parsing: even what is no JSON passes."""
        controllers, old = Controllers(), Client(beta())
        controllers.add(old)
        rest = '","event_id":"event_1","response_id":"resp_1","delta":"AAAA" not JSON'
        controllers.send_audio('{"type":"response.output_audio.delta' + rest)
        assert old.got == ['{"type":"response.audio.delta' + rest]

    @pytest.mark.parametrize(
        ("ga", "old_name"),
        [
            ("response.output_text.delta", "response.text.delta"),
            ("response.output_audio_transcript.delta", "response.audio_transcript.delta"),
            ("input_audio_buffer.committed", "input_audio_buffer.committed"),
        ],
    )
    def test_frame_that_differs_in_its_name_is_not_parsed(self, ga: str, old_name: str) -> None:
        """Text deltas come often, too."""
        rest = '","event_id":"event_1" not JSON'
        assert list(beta().frames('{"type":"' + ga + rest)) == ['{"type":"' + old_name + rest]

    def test_hidden_field_is_hidden_from_a_beta_client_too(self, echo: str) -> None:
        """What is blanked in GA is blank in the translation."""
        text, _ = replace(beta(), hidden=frozenset({"instructions"})).frames(echo)
        assert json.loads(text)["session"]["instructions"] == ""


class TestProjection:
    def test_plain_one_is_the_frame_itself(self, echo: str) -> None:
        """Nothing is parsed for an ordinary client."""
        (shown,) = PLAIN.frames(echo)
        assert shown is echo

    @pytest.mark.parametrize("name", sorted(HIDEABLE))
    def test_hidden_field_is_blank_in_the_wires_shape(self, echo: str, name: str) -> None:
        """Same keys in the same order, and nothing else changed."""
        before = json.loads(echo)
        before["session"][name] = "secret"
        sent = json.dumps(before, separators=(",", ":"))
        (text,) = Projection(hidden=frozenset({name})).frames(sent)
        shown = json.loads(text)
        assert list(shown["session"]) == list(before["session"])
        assert shown["session"][name] == HIDEABLE[name]
        before["session"][name] = HIDEABLE[name]
        assert shown == before
