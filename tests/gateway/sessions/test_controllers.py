"""Several clients of one session: each sees it in its own way."""

from __future__ import annotations

import json

import pytest

from gateway.sessions.controllers import Controllers
from gateway.sessions.encoding import frame
from gateway.sessions.projection import HIDEABLE, PLAIN, Projection
from realtime.events.server import SessionCreated
from realtime.session.config import fresh_config


class Client:
    """A controller that remembers what it got."""

    def __init__(self, projection: Projection = PLAIN) -> None:
        self.projection = projection
        self.got: list[str] = []
        self.closed: list[tuple[int, str]] = []

    def send(self, text: str) -> None:
        self.got.append(text)

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


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

    def test_one_that_left_gets_nothing(self) -> None:
        """Nor does sending to it break anything."""
        controllers, client = Controllers(), Client()
        number = controllers.add(client)
        controllers.remove(number)
        controllers.send("late", number)
        controllers.send("late", None)
        controllers.close(1000, "")
        assert (client.got, client.closed) == ([], [])


class TestProjection:
    def test_plain_one_is_the_frame_itself(self, echo: str) -> None:
        """Nothing is parsed for an ordinary client."""
        assert PLAIN.frame(echo) is echo

    @pytest.mark.parametrize("name", sorted(HIDEABLE))
    def test_hidden_field_is_blank_in_the_wires_shape(self, echo: str, name: str) -> None:
        """Same keys in the same order, and nothing else changed."""
        before = json.loads(echo)
        before["session"][name] = "secret"
        shown = json.loads(
            Projection(hidden=frozenset({name})).frame(json.dumps(before, separators=(",", ":")))
        )
        assert list(shown["session"]) == list(before["session"])
        assert shown["session"][name] == HIDEABLE[name]
        before["session"][name] = HIDEABLE[name]
        assert shown == before
