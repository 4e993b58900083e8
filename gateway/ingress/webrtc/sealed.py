"""Opens SRTP where it comes in, before anything of it waits, is believed or costs more (ADR 0027).

The library opens packets after its queue: forged ones took places there, and
one of 1,501 bytes ended the call. Here who does not know the keys gets no further
than its authentication tag. The names that this needs are private to the library,
which is pinned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import pylibsrtp
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import is_rtcp

from gateway.telemetry import metrics

MOST_SRTP_BYTES: Final = 1_500
"""What libsrtp's binding has room for; it raises an error of another kind beyond."""
MOST_SENDERS: Final = 32
"""Synchronisation sources of a call; each is a state that libsrtp looks through. Sound has one."""
MOST_EARLY: Final = 32
"""Packets that overtook the end of the handshake: 0.6 s of sound."""

_NAMES: Final = ("_recv_next", "_setup_srtp")
_missing = [name for name in _NAMES if not hasattr(RTCDtlsTransport, name)]
if not _missing and "_rx_srtp" not in RTCDtlsTransport._recv_next.__code__.co_names:
    _missing.append("_rx_srtp")
if _missing:
    raise ImportError(f"this aiortc lacks {_missing}: pin the version that the lock names")

Again = Callable[[], None]


def is_srtp(packet: bytes) -> bool:
    """Say whether a packet is SRTP or SRTCP (RFC 7983)."""
    return packet[0] > 127


def sender(packet: bytes) -> bytes:
    """Return who sends it (SSRC), which both kinds say in the clear."""
    return packet[4:8] if is_rtcp(packet) else packet[8:12]


class Opener(Protocol):
    """What knows the caller's keys."""

    def unprotect(self, packet: bytes) -> bytes:
        """Return RTP."""

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Return RTCP."""


class Seal:
    """The seal on one call's media, which the handshake's keys open."""

    def __init__(self) -> None:
        self._opener: Opener | None = None
        self._senders: set[bytes] = set()
        self._early: deque[Again] = deque(maxlen=MOST_EARLY)

    @property
    def has_keys(self) -> bool:
        """The handshake is over."""
        return self._opener is not None

    def hold(self, again: Again) -> None:
        """Call this when there are keys; beyond a bound the oldest is forgotten."""
        self._early.append(again)

    def open(self, packet: bytes) -> bytes | None:
        """Return what was sealed; None if the caller did not send it, or sent it before."""
        control = is_rtcp(packet)
        who = packet[4:8] if control else packet[8:12]
        if self._opener is not None and self._may_open(packet, who):
            try:
                if control:
                    opened = self._opener.unprotect_rtcp(packet)
                else:
                    opened = self._opener.unprotect(packet)
            except pylibsrtp.Error:
                pass
            else:
                self._senders.add(who)
                return opened
        metrics.RTP_FORGED.inc()
        return None

    def _may_open(self, packet: bytes, who: bytes) -> bool:
        if len(packet) > MOST_SRTP_BYTES:
            return False
        return who in self._senders or len(self._senders) < MOST_SENDERS

    def keys(self, opener: Opener) -> None:
        """Open from now on, what came early first."""
        self._opener = opener
        while self._early:
            self._early.popleft()()


class _Opened:
    """Stands where the library has its keys: what reaches it was opened before."""

    def unprotect(self, packet: bytes) -> bytes:
        """Return a packet."""
        return packet

    unprotect_rtcp = unprotect


def take_keys(dtls: Any, seal: Seal) -> None:
    """Have the keys of a handshake go to the seal instead of the library; before it starts."""
    set_up = dtls._setup_srtp

    def keys_made() -> None:
        set_up()
        opener = dtls._rx_srtp
        if opener is not None:
            dtls._rx_srtp = _Opened()
            seal.keys(opener)

    dtls._setup_srtp = keys_made
