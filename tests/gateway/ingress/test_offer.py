"""What an SDP offer may hold: little enough that reading it never holds the loop."""

from __future__ import annotations

import pytest

from gateway.ingress.webrtc.offer import (
    MOST_MESSAGE_BYTES,
    checked_offer,
    most_message_bytes,
)
from tests.fuzz.offers import MOST_CALLS, OFFERS, calls_to_read

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
MAP, FEEDBACK, PARAMETERS = "a=rtpmap:111 opus/48000/2", "a=rtcp-fb:* a", "a=fmtp:111 a=1"


def section(number: int, *extra: str, kind: str = "audio", formats: int = 1) -> str:
    """Return a media section with these lines beside what it needs."""
    lines = (
        f"m={kind} 9 UDP/TLS/RTP/SAVPF" + " 111" * formats,
        f"a=mid:{number}",
        "a=setup:actpass",
        FINGERPRINT,
        "a=ice-ufrag:abcd",
        "a=ice-pwd:" + "x" * 22,
        MAP,
        *extra,
    )
    return "".join(f"{line}\r\n" for line in lines)


@pytest.mark.parametrize(
    "offer",
    [
        HEAD + section(0, *[MAP] * 1_400, *[FEEDBACK] * 1_700),
        HEAD + section(0, *[MAP] * 64),
        HEAD + section(0, *[FEEDBACK] * 129),
        HEAD + section(0, *[PARAMETERS] * 65),
        HEAD + section(0, *["a=ssrc:1 c:"] * 260),
        HEAD + section(0, formats=129),
        HEAD + "".join(section(n, *[MAP] * 60, *[FEEDBACK] * 120, kind="video") for n in range(8)),
        HEAD + "".join(section(number, kind="video") for number in range(9)),
        HEAD + "a=x\r\n" * 260 + section(0),
        HEAD + "a=group:BUNDLE" + " 0" * 10_000 + "\r\n" + section(0),
    ],
    ids=[
        "product", "rtpmap", "rtcp-fb", "fmtp", "others", "formats", "products", "sections",
        "session", "group",
    ],
)  # fmt: skip
def test_offer_with_too_many_lines_is_refused_unparsed(offer: str) -> None:
    """Nothing is made of it: counting its lines is all that is done, a few calls for each."""
    calls, taken = calls_to_read(offer)
    assert not taken
    assert calls < 20 * offer.count("\n")


def test_widest_offer_that_is_taken_is_read_with_bounded_work() -> None:
    """At every bound at once the parser's work stays a fixed number of calls."""
    full = (*[MAP] * 63, *[FEEDBACK] * 128, *[PARAMETERS] * 64, *["a=ssrc:1 c:"] * 240)
    others = [section(n, *["a=ssrc:1 c:"] * 240, kind="video") for n in range(1, 8)]
    calls, taken = calls_to_read(HEAD + section(0, *full) + "".join(others))
    assert taken
    assert calls < MOST_CALLS


@pytest.mark.parametrize("offer", OFFERS, ids=["aiortc", "chromium", "firefox"])
def test_offer_of_a_browser_is_taken(offer: str) -> None:
    """No bound comes near what browsers send."""
    assert checked_offer(offer)


def test_offer_with_much_video_is_taken() -> None:
    """As Chromium offers it: some fifty payload types, feedback for each that is no repair."""
    maps = [f"a=rtpmap:{96 + n % 30} V{n}/90000" for n in range(50)]
    feedback = [f"a=rtcp-fb:{96 + n % 30} nack" for n in range(125)]
    assert checked_offer(HEAD + section(0) + section(1, *maps, *feedback, kind="video"))


@pytest.mark.parametrize("digits", ["9" * 5_000, "0" * 5_000, "9" * 11])
def test_message_size_of_any_length_is_read(digits: str) -> None:
    """A number that Python itself refuses to read is just a large one."""
    offer = f"v=0\r\na=max-message-size:{digits}\r\n"
    assert most_message_bytes(offer) == MOST_MESSAGE_BYTES
