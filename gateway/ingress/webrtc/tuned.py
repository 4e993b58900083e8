"""Takes RTP from aiortc before its jitter buffer and decoder (ADR 0020).

aiortc decodes in a thread per call, holds packets back without end after a
burst, and conceals no loss. Its public surface has no place before that, so a
receiver is changed here, object by object, through private names: aiortc is
pinned, and a version that lost one of them fails when this module is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Final

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from aiortc.rtp import RtpPacket

from gateway.ingress.webrtc.codecs import OPUS

_NAMES: Final = (
    "__codecs", "__decoder_thread", "__jitter_buffer", "__rtcp_task", "__started", "__transport",
)  # fmt: skip
_PREFIX: Final = "_RTCRtpReceiver"
_missing = [
    name for name in _NAMES if _PREFIX + name not in RTCRtpReceiver.__init__.__code__.co_names
]
if _missing or not hasattr(RTCDtlsTransport, "_register_rtp_receiver"):
    raise ImportError(f"this aiortc lacks {_missing}: pin the version that the lock names")

OPUS_PARAMETERS: Final = {"minptime": 10, "useinbandfec": 1}
"""What we ask a sender of Opus for (RFC 7587, section 6.1)."""

PacketSink = Callable[[str, RtpPacket], None]
"""Takes a codec's name and a packet whose `payload` is the codec's."""


class _Tap:
    """Stands where the jitter buffer was and hands every packet on."""

    def __init__(self, receiver: RTCRtpReceiver, sink: PacketSink) -> None:
        self._codecs = getattr(receiver, _PREFIX + "__codecs")
        self._sink = sink

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Hand a packet on; aiortc gets nothing to decode."""
        codec = self._codecs.get(packet.payload_type)
        if codec is not None:
            self._sink(codec.mimeType, packet)
        return False, None


def keep_codecs(transceiver: RTCRtpTransceiver, names: Collection[str]) -> None:
    """Leave these codecs (in small letters) in the answer; preferences come too late for it."""
    kept = [codec for codec in transceiver._codecs if codec.mimeType.lower() in names]
    for codec in kept:
        if codec.mimeType.lower() == OPUS:
            # Browsers put copies of lost packets into the next one only if they are asked to.
            codec.parameters = {**codec.parameters, **OPUS_PARAMETERS}
    transceiver._codecs = kept


def sends(transceiver: RTCRtpTransceiver) -> bool:
    """Say whether the other side takes our audio."""
    return transceiver.currentDirection in {"sendrecv", "sendonly"}


def spoken_codec(transceiver: RTCRtpTransceiver) -> str:
    """Return the codec that was agreed on first."""
    return str(transceiver._codecs[0].mimeType)


def tap(receiver: RTCRtpReceiver, sink: PacketSink) -> None:
    """Let `sink` have the receiver's packets; before it starts."""

    async def receive(parameters: Any) -> None:
        if getattr(receiver, _PREFIX + "__started"):
            return
        codecs = getattr(receiver, _PREFIX + "__codecs")
        codecs.update({codec.payloadType: codec for codec in parameters.codecs})
        transport = getattr(receiver, _PREFIX + "__transport")
        transport._register_rtp_receiver(receiver, parameters)
        setattr(receiver, _PREFIX + "__rtcp_task", asyncio.ensure_future(receiver._run_rtcp()))
        setattr(receiver, _PREFIX + "__started", True)

    setattr(receiver, _PREFIX + "__jitter_buffer", _Tap(receiver, sink))
    receiver.receive = receive  # type: ignore[method-assign]
