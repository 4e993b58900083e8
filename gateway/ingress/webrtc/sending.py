"""Sends RTP past the library's loop: no task, future or object for each packet (ADR 0028).

aiortc asks a track for a frame, packs it, keeps it for a repetition that
nobody may ask for in sound, and awaits its way to the socket. A sender is
changed here, object by object, through private names: see `tuned.py`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from aiortc.rtcdtlstransport import RTCDtlsTransport, State
from aiortc.rtcrtpsender import RTCRtpSender, random_sequence_number
from aiortc.rtp import AnyRtcpPacket, HeaderExtensions, RtcpRrPacket, RtcpSrPacket
from aiortc.utils import random32

from gateway.ingress.webrtc.ice import IceConnection
from gateway.ingress.webrtc.rtp import Header
from gateway.ingress.webrtc.voice import Voice

_NAMES: Final = (
    "__mid", "__ntp_timestamp", "__octet_count", "__packet_count", "__rtp_exited",
    "__rtp_header_extensions_map", "__rtp_started", "__rtp_timestamp", "__transport",
)  # fmt: skip
_PREFIX: Final = "_RTCRtpSender"
_missing = [
    name for name in _NAMES if _PREFIX + name not in RTCRtpSender.__init__.__code__.co_names
]
_missing += [
    name
    for name in ("_handle_rtcp_packet", "_run_rtp", "replaceTrack")
    if not hasattr(RTCRtpSender, name)
]
_secured = RTCDtlsTransport.__init__.__code__.co_names
_missing += [name for name in ("_state", "_tx_srtp") if name not in _secured]
if _missing:
    raise ImportError(f"this aiortc lacks {_missing}: pin the version that the lock names")

SINCE_1900_S: Final = 2_208_988_800
"""From the epoch of NTP to that of Unix."""


class Stream:
    """One stream of ours on its way to a caller."""

    def __init__(self, sender: RTCRtpSender, payload_type: int) -> None:
        extensions = getattr(sender, _PREFIX + "__rtp_header_extensions_map")
        self._header = Header(
            payload_type=payload_type,
            ssrc=sender._ssrc,
            extension=extensions.set(HeaderExtensions(mid=getattr(sender, _PREFIX + "__mid"))),
        )
        self._sender: Any = sender
        self._secure: RTCDtlsTransport = getattr(sender, _PREFIX + "__transport")
        self._way: IceConnection = self._secure.transport._connection
        self._sequence = random_sequence_number()
        self._origin = random32()

    def send(self, payload: bytes, timestamp: int, *, begins: bool) -> None:
        """Send a packet; one that nobody can get any more is dropped."""
        secure, sender = self._secure, self._sender
        if secure._state is not State.CONNECTED:
            return
        timestamp = (self._origin + timestamp) & 0xFFFF_FFFF
        packet = self._header.packet(payload, self._sequence, timestamp, marked=begins)
        self._way.send_media(secure._tx_srtp.protect(packet))
        self._sequence = (self._sequence + 1) & 0xFFFF
        # What the library's reports tell the caller.
        sender._RTCRtpSender__ntp_timestamp = int((time.time() + SINCE_1900_S) * 4_294_967_296)
        sender._RTCRtpSender__rtp_timestamp = timestamp
        sender._RTCRtpSender__octet_count += len(payload)
        sender._RTCRtpSender__packet_count += 1


def speak(sender: RTCRtpSender, voice: Voice) -> None:
    """Let a voice send by a sender; before it starts."""

    async def run(codec: Any) -> None:
        getattr(sender, _PREFIX + "__rtp_started").set()
        try:
            voice.begin(Stream(sender, codec.payloadType))
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            voice.close()
        finally:
            sender.replaceTrack(None)
            getattr(sender, _PREFIX + "__rtp_exited").set()

    async def report(packet: AnyRtcpPacket) -> None:
        # Repetitions and key frames, which the library knows besides, are for video.
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for one in packet.reports:
                if one.ssrc == sender._ssrc:
                    voice.reported(
                        fraction_lost=one.fraction_lost, highest_sequence=one.highest_sequence
                    )

    sender._run_rtp = run  # type: ignore[method-assign]
    sender._handle_rtcp_packet = report  # type: ignore[method-assign]
