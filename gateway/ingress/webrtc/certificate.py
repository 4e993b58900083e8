"""One certificate of DTLS for all calls of a process (RFC 8827, 6.5 allows it for servers).

The library makes one for each connection, and for each handshake a context of
OpenSSL, together 1.3 ms of CPU; and it leaves each its buffers between packets.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from aiortc import rtcpeerconnection
from aiortc.rtcdtlstransport import RTCCertificate
from OpenSSL import SSL

RENEWED_BEFORE: Final = dt.timedelta(days=7)
"""The library's are valid for 30 days; a call must end before its certificate does."""

if not hasattr(rtcpeerconnection, "RTCCertificate") or not hasattr(
    RTCCertificate, "_create_ssl_context"
):
    raise ImportError("this aiortc makes certificates elsewhere: pin the version of the lock")


class SharedCertificate(RTCCertificate):
    """Made once and again when it grows old, with one context for all handshakes."""

    _current: SharedCertificate | None = None
    _context: SSL.Context | None = None

    @classmethod
    def generateCertificate(cls) -> SharedCertificate:  # noqa: N802 -- the library's name
        """Return the process's certificate."""
        now = dt.datetime.now(dt.UTC)
        if cls._current is None or cls._current.expires - now < RENEWED_BEFORE:
            cls._current = super().generateCertificate()
        return cls._current

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            # 49 of the 140 KiB that a connection has of OpenSSL's; data of a call are rare.
            self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        return self._context


def share_certificate() -> None:
    """Let the library's connections of this process have one certificate."""
    setattr(rtcpeerconnection, "RTCCertificate", SharedCertificate)  # noqa: B010
