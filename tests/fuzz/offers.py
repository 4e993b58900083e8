"""Offers as browsers make them, and what is left of them after seeded accidents."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.ingress.webrtc.offer import InvalidOffer, checked_offer

OFFERS = [path.read_bytes().decode() for path in sorted(Path(__file__).parent.glob("offers/*.sdp"))]
"""Real ones of Chromium, Firefox and aiortc."""

NUMBERS = (
    "0",
    "-1",
    "1",
    "65536",
    "99999999999999999999",
    "1e9",
    "0x10",
    "",
    "٣",
    "NaN",
    "1" * 300,
)
WORDS = (
    "", " ", "\0", "\u2028", "é", "audio", "video", "application", "message", "opus/48000/2",
    "opus", "PCMU/8000", "sendonly", "recvonly", "inactive", "actpass", "active", "passive",
    "holdconn", "sha-256", "md5", "UDP", "TCP", "RTP/AVP", "UDP/TLS/RTP/SAVPF", "DTLS/SCTP",
    "::1", "127.0.0.1", "224.0.0.1", "999.1.1.1", "a.local", "=", ":", "/", ";" * 50, "x" * 2_000,
)  # fmt: skip
LINES = (
    "a=mid:0", "a=mid:1", "a=mid:", "a=group:BUNDLE", "a=group:BUNDLE 0", "a=group:BUNDLE 1 0 7 7",
    "a=group:LS 0 1", "a=inactive", "a=recvonly", "a=bundle-only", "a=ice-lite", "a=rtcp:",
    "a=setup:", "a=setup:active", "a=setup:passive", "a=setup:holdconn", "a=fingerprint:",
    "a=fingerprint:sha-256", "a=fingerprint:sha-256 00", "a=fingerprint:crc 00:00", "a=sctp-port:",
    "a=sctpmap:5000 webrtc-datachannel 1024", "a=max-message-size:0", "a=max-message-size:x",
    "a=candidate:", "a=candidate:1 1 udp 1 1.2.3.4 5 typ", "a=candidate:1 9 udp 1 1.2.3.4 5 typ host",
    "a=rtpmap:111", "a=rtpmap:111 opus/0/2", "a=rtpmap:0 PCMU/0", "a=fmtp:111", "a=fmtp:111 =;;=",
    "a=extmap:0 urn:x", "a=extmap:256 urn:ietf:params:rtp-hdrext:sdes:mid", "a=extmap:",
    "a=rtcp-fb:* nack", "a=ssrc:", "a=ssrc:x cname:y", "a=ssrc-group:FID 1 2", "a=msid:",
    "m=", "m=audio", "m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 0 UDP/TLS/RTP/SAVPF 111",
    "m=video 9 UDP/TLS/RTP/SAVPF 96", "m=text 9 RTP/AVP 98", "m=application 9 DTLS/SCTP 5000",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio x UDP/TLS/RTP/SAVPF 111",
    "c=", "c=IN", "c=IN IP6 ::1", "o=", "o=- 1", "s=", "t=", "t=x y", "b=AS:x", "v=1", "k=", "\0",
)  # fmt: skip

Lines = list[str]


def _cut(lines: Lines, choose: random.Random) -> None:
    del lines[choose.randrange(len(lines)) :]


def _drop(lines: Lines, choose: random.Random) -> None:
    at = choose.randrange(len(lines))
    del lines[at : at + choose.choice((1, 1, 1, 2, 8))]


def _drop_alike(lines: Lines, choose: random.Random) -> None:
    prefix = choose.choice(lines)[: choose.choice((2, 5, 8))]
    lines[:] = [line for line in lines if not line.startswith(prefix)]


def _repeat(lines: Lines, choose: random.Random) -> None:
    at = choose.randrange(len(lines))
    lines[at:at] = [lines[at]] * choose.choice((1, 1, 3, 50))


def _move(lines: Lines, choose: random.Random) -> None:
    line = lines.pop(choose.randrange(len(lines)))
    lines.insert(choose.randint(0, len(lines)), line)


def _graft(lines: Lines, choose: random.Random) -> None:
    other = choose.choice(OFFERS).splitlines()
    at = choose.randrange(len(other))
    place = choose.randint(0, len(lines))
    lines[place:place] = other[at : at + choose.choice((1, 3, 10, 60))]


def _insert(lines: Lines, choose: random.Random) -> None:
    lines.insert(choose.randint(0, len(lines)), choose.choice(LINES))


def _flood(lines: Lines, choose: random.Random) -> None:
    for line in (choose.choice(LINES), choose.choice(("a=rtpmap:111 a/1", "a=rtcp-fb:* a"))):
        place = choose.randint(0, len(lines))
        lines[place:place] = [line] * choose.choice((20, 60, 120, 1_500))


def _word(lines: Lines, choose: random.Random) -> None:
    at = choose.randrange(len(lines))
    words = lines[at].split(" ")
    words[choose.randrange(len(words))] = choose.choice(WORDS)
    lines[at] = " ".join(words)


def _value(lines: Lines, choose: random.Random) -> None:
    at = choose.randrange(len(lines))
    head, colon, _ = lines[at].partition(":")
    lines[at] = head + colon + choose.choice(WORDS)


def _number(lines: Lines, choose: random.Random) -> None:
    at = choose.randrange(len(lines))
    words = lines[at].replace(":", " : ").replace("/", " / ").split(" ")
    numbers = [place for place, word in enumerate(words) if word.isdigit()]
    if numbers:
        words[choose.choice(numbers)] = choose.choice(NUMBERS)
        lines[at] = " ".join(words).replace(" : ", ":").replace(" / ", "/")


def _character(lines: Lines, choose: random.Random) -> None:
    at = choose.randrange(len(lines))
    if lines[at]:
        place = choose.randrange(len(lines[at]))
        lines[at] = lines[at][:place] + chr(choose.randrange(0x250)) + lines[at][place + 1 :]


ACCIDENTS: tuple[Callable[[Lines, random.Random], None], ...] = (
    _cut, _drop, _drop, _drop_alike, _repeat, _move, _graft, _insert, _insert, _word, _value,
    _number, _number, _character, _flood,
)  # fmt: skip


def mutated(choose: random.Random) -> str:
    """Return an offer to which something happened."""
    lines = choose.choice(OFFERS).splitlines()
    for _ in range(choose.choice((1, 1, 1, 2, 3, 8))):
        if lines:
            choose.choice(ACCIDENTS)(lines, choose)
    return choose.choice(("\r\n", "\r\n", "\r\n", "\n")).join(lines) + "\r\n"


MOST_CALLS = 100_000
"""Functions called for the widest offer that is read; about 20 ms."""


def calls_to_read(offer: str) -> tuple[int, bool]:
    """Return how many functions are called to read an offer, and whether it was taken."""
    calls, taken = 0, True

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        checked_offer(offer)
    except InvalidOffer:
        taken = False
    finally:
        sys.setprofile(None)
    return calls, taken
