"""ICE credentials of offers: they go into every packet to wherever the offer points."""

from __future__ import annotations

import re

import pytest

from gateway.ingress.webrtc.offer import InvalidOffer, checked_offer
from tests.fuzz.offers import OFFERS


def with_(attribute: str, value: str) -> str:
    """Return a browser's offer with a value of ours."""
    found, count = re.subn(rf"(?m)^a={attribute}:.*$", f"a={attribute}:{value}\r", OFFERS[1])
    assert count
    return found


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("ice-ufrag", "abcd"),
        ("ice-ufrag", "+/aZ09" + 250 * "x"),
        ("ice-pwd", 22 * "p"),
        ("ice-pwd", 256 * "/"),
    ],
)
def test_credentials_of_the_standard_are_taken(attribute: str, value: str) -> None:
    """RFC 8839 5.4: from 4 and 22 up to 256 letters, digits, plus and slash."""
    assert f"a={attribute}:{value}\r\n" in checked_offer(with_(attribute, value))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("ice-ufrag", "abc"),
        ("ice-ufrag", 257 * "u"),
        ("ice-ufrag", 30_000 * "u"),
        ("ice-ufrag", "abcd:efgh"),
        ("ice-ufrag", "abcdé"),
        ("ice-pwd", 21 * "p"),
        ("ice-pwd", 257 * "p"),
        ("ice-pwd", 22 * "p" + "\x00"),
    ],
    ids=lambda one: one[:10].encode("ascii", "replace").decode().replace("\x00", "0"),
)
def test_credentials_beyond_the_standard_are_refused(attribute: str, value: str) -> None:
    """They would be a payload to whoever the candidates name."""
    with pytest.raises(InvalidOffer) as refused:
        checked_offer(with_(attribute, value))
    assert attribute in str(refused.value)


def test_credentials_of_a_section_that_is_refused_are_checked_too() -> None:
    """The library makes a transport of it all the same."""
    fragment = 1_000 * "u"
    extra = f"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:99\r\na=ice-ufrag:{fragment}\r\n"
    with pytest.raises(InvalidOffer):
        checked_offer(OFFERS[1] + extra)
