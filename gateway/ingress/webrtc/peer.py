"""One peer connection: offer in, answer out, then media and a data channel (CONTRACT 14)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from aiortc import RTCDataChannel, RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError

from gateway.ingress.webrtc.channel import LABEL
from gateway.ingress.webrtc.connection import MediaConnection
from gateway.ingress.webrtc.leg import WebRtcLeg
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.offer import (
    MOST_MESSAGE_BYTES,
    SPOKEN,
    InvalidOffer,
    most_message_bytes,
    offers_channel,
)
from gateway.ingress.webrtc.sending import speak
from gateway.ingress.webrtc.tuned import bound_messages, keep_codecs, sends, spoken_codec, tap
from realtime.errors import ServerFault

CLOSE_S: Final = 5.0
ANSWER_S: Final = 10.0

_log = structlog.get_logger("webrtc")


class Peer:
    """The caller's browser, as far as media goes."""

    def __init__(self, leg: WebRtcLeg, network: Network, *, caller: str | None = None) -> None:
        self._leg = leg
        self._loop = asyncio.get_running_loop()
        self._connection = MediaConnection(network, caller=caller)
        self.on_channel: Callable[[RTCDataChannel], None] = _nothing
        self.on_connected: Callable[[], None] = _none
        self.on_flooded: Callable[[], None] = _none
        self.on_gone: Callable[[bool], None] = _gone
        self.expects_channel = False
        """The offer has a data channel."""
        self.most_message_bytes = MOST_MESSAGE_BYTES
        """The longest event that the caller takes."""
        self._connection.on("datachannel", self._channel)
        self._connection.on("connectionstatechange", self._state_changed)

    async def answer(self, offer: str) -> str:
        """Return the SDP answer.

        Raises:
            InvalidOffer: the library cannot answer it.
            NoMediaPorts, NoMediaPath: there is no way for media.
            ServerFault: the call ended meanwhile.
        """
        connection = self._connection
        self.expects_channel = offers_channel(offer)
        self.most_message_bytes = most_message_bytes(offer)
        try:
            async with asyncio.timeout(ANSWER_S):
                await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
                for transceiver in connection.getTransceivers():
                    self._use(transceiver)
                if connection.sctp is not None:
                    bound_messages(connection.sctp, self._flooded)
                await connection.setLocalDescription(await connection.createAnswer())
        except (
            ValueError, KeyError, IndexError, AttributeError, AssertionError,
            InvalidAccessError, InvalidStateError, OperationError, TimeoutError,
        ) as error:  # fmt: skip
            # The checks before were not enough; the caller learns no more than that.
            _log.warning("offer_failed", error=repr(error))
            raise InvalidOffer("it cannot be answered.") from None
        except ConnectionError:
            raise ServerFault from None
        connection.forget_closed()
        for transceiver in connection.getTransceivers():
            if transceiver.kind == "audio" and sends(transceiver):
                self._leg.voice.use(spoken_codec(transceiver))
                self._leg.plays = True
        return str(connection.localDescription.sdp)

    @property
    def relay_lost(self) -> bool:
        """Media went by a relay of ours that is gone."""
        return self._connection.relay_lost

    def left(self) -> None:
        """The caller's channel closed: it left, or is lost."""
        self.on_gone(self._connection.vanished)

    def _use(self, transceiver: RTCRtpTransceiver) -> None:
        if transceiver.kind != "audio":
            transceiver.direction = "inactive"
            return
        keep_codecs(transceiver, SPOKEN)
        transceiver.sender.replaceTrack(self._leg.track)
        transceiver.direction = "sendrecv"
        speak(transceiver.sender, self._leg.voice)
        tap(transceiver.receiver, self._leg.packet)

    def _channel(self, channel: RTCDataChannel) -> None:
        if channel.label == LABEL:
            self.on_channel(channel)

    def _flooded(self) -> None:
        _log.warning("channel_flooded")
        self.on_flooded()

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            # The library is about to start media and looks at the offer once more.
            self._loop.call_soon(self._connection.forget_descriptions)
            self.on_connected()
        elif state in {"failed", "closed"}:
            self.on_gone(state == "failed" or self._connection.vanished)

    async def close(self) -> None:
        """Leave; never raises."""
        self._leg.close()
        self.on_gone = _gone
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()
        except Exception as error:  # noqa: BLE001 -- its own faults, after an offer half applied
            _log.warning("close_failed", error=repr(error))
            await self._connection.abandon()


def _none() -> None:
    """Nobody asked."""


def _gone(_vanished: bool) -> None:
    """Nobody asked."""


def _nothing(_channel: RTCDataChannel) -> None:
    """Nobody asked."""
