"""Takes RTP from aiortc before its jitter buffer and decoder (ADR 0020).

aiortc decodes in a thread per call, holds packets back without end after a
burst, and conceals no loss. Its public surface has no place before that, so a
receiver is changed here, object by object, through private names: aiortc is
pinned, and a version that lost one of them fails when this module is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver, StreamStatistics
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from aiortc.rtcsctptransport import DataChunk, RTCSctpTransport
from aiortc.rtp import RtpPacket

from gateway.ingress.webrtc.codecs import OPUS
from gateway.ingress.webrtc.ice import IceConnection
from gateway.ingress.webrtc.rtp import Arrived, received

_NAMES: Final = (
    "__codecs", "__decoder_thread", "__remote_streams", "__rtcp_task", "__started", "__transport",
)  # fmt: skip
_PREFIX: Final = "_RTCRtpReceiver"
_missing = [
    name for name in _NAMES if _PREFIX + name not in RTCRtpReceiver.__init__.__code__.co_names
]
_missing += [
    name
    for kind, name in (
        (RTCDtlsTransport, "_register_rtp_receiver"), (RTCRtpReceiver, "_handle_rtp_packet"),
        (RTCSctpTransport, "_receive_data_chunk"),
    )
    if not hasattr(kind, name)
]  # fmt: skip
if _missing:
    raise ImportError(f"this aiortc lacks {_missing}: pin the version that the lock names")

MOST_SOURCES: Final = 8
"""Synchronisation sources of one stream that are remembered; each packet may name a new one."""
MOST_STREAMS: Final = 32
"""Streams of data, and so channels, that a caller may open; one is used."""

OPUS_PARAMETERS: Final = {"minptime": 10, "useinbandfec": 1}
"""What we ask a sender of Opus for (RFC 7587, section 6.1)."""

PacketSink = Callable[[str, Arrived], None]
"""Takes a codec's name and a packet whose `payload` is the codec's."""


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
    """Let `sink` have the receiver's packets; before it starts.

    What the library does besides for each packet, for video, for retransmission
    and for a list of sources that grows for ever, is left out. Its router is
    asked once for each source; later packets of it pass it by, where the way is
    ours.
    """
    codecs = getattr(receiver, _PREFIX + "__codecs")
    statistics = getattr(receiver, _PREFIX + "__remote_streams")
    streams: dict[bytes, Callable[[bytes], None]] = {}

    async def receive(parameters: Any) -> None:
        nonlocal streams
        if getattr(receiver, _PREFIX + "__started"):
            return
        codecs.update({codec.payloadType: codec for codec in parameters.codecs})
        transport = getattr(receiver, _PREFIX + "__transport")
        transport._register_rtp_receiver(receiver, parameters)
        way = transport.transport._connection
        if isinstance(way, IceConnection):
            streams = way.streams
        setattr(receiver, _PREFIX + "__rtcp_task", asyncio.ensure_future(receiver._run_rtcp()))
        setattr(receiver, _PREFIX + "__started", True)

    async def handle(packet: RtpPacket, arrival_time_ms: int) -> None:  # noqa: ARG001
        codec = codecs.get(packet.payload_type)
        if codec is None:
            return
        source = statistics.get(packet.ssrc)
        if source is None:
            transport = getattr(receiver, _PREFIX + "__transport")
            for known in (statistics, transport._rtp_router.ssrc_table):
                if len(known) >= MOST_SOURCES:
                    oldest = next(iter(known))
                    known.pop(oldest)
                    streams.pop(oldest.to_bytes(4), None)
            source = statistics[packet.ssrc] = StreamStatistics(codec.clockRate)
            stream = _Stream(codecs, source, sink)
            streams[packet.ssrc.to_bytes(4)] = stream.take
        source.add(packet)
        sink(codec.mimeType, packet)

    receiver.receive = receive  # type: ignore[method-assign]
    receiver._handle_rtp_packet = handle  # type: ignore[method-assign]


class _Stream:
    """A source whose packets are the receiver's, and how they are taken at once."""

    def __init__(
        self, codecs: Mapping[int, Any], statistics: StreamStatistics, sink: PacketSink
    ) -> None:
        self._codecs = codecs
        self._statistics: Any = statistics
        self._sink = sink

    def take(self, data: bytes) -> None:
        """Take a packet; a broken one, or one of no codec that was agreed on, is dropped."""
        codec = self._codecs.get(data[1] & 0x7F)
        packet = received(data)
        if codec is not None and packet is not None:
            self._statistics.add(packet)
            self._sink(codec.mimeType, packet)


def bound_messages(transport: RTCSctpTransport, flooded: Callable[[], None]) -> None:
    """Call `flooded` when a peer sends past the window that it was told, or opens many streams.

    The library announces a window and keeps what comes beyond it all the same.
    """
    take = transport._receive_data_chunk

    async def receive(chunk: DataChunk) -> None:
        streams = transport._inbound_streams
        fresh = chunk.stream_id not in streams and len(streams) >= MOST_STREAMS
        if fresh or len(chunk.user_data) > transport._advertised_rwnd:
            flooded()
            return
        await take(chunk)

    transport._receive_data_chunk = receive  # type: ignore[method-assign]
