"""aiortc's peer connection with our ICE agent and our seal in it (ADR 0024, ADR 0027)."""

from __future__ import annotations

from typing import Any, Final

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcdtlstransport import RTCDtlsParameters, RTCDtlsTransport

from gateway.ingress.webrtc.certificate import share_certificate
from gateway.ingress.webrtc.ice import IceConnection
from gateway.ingress.webrtc.network import Network
from gateway.ingress.webrtc.sealed import Seal, take_keys

_MAKER: Final = "_RTCPeerConnection__createDtlsTransport"
_DESCRIPTIONS: Final = (
    "_RTCPeerConnection__currentLocalDescription", "_RTCPeerConnection__currentRemoteDescription",
)  # fmt: skip
_missing = [
    name for name in _DESCRIPTIONS if name not in RTCPeerConnection.__init__.__code__.co_names
]
if _missing or not hasattr(RTCPeerConnection, _MAKER):
    raise ImportError(f"this aiortc lacks {_missing or _MAKER}: pin the version of the lock")

share_certificate()


class MediaConnection(RTCPeerConnection):
    """A peer connection whose way through the network is ours."""

    def __init__(self, network: Network, *, caller: str | None = None) -> None:
        self._network = network
        self._caller = caller
        self._ways: list[IceConnection] = []
        # The library's default asks a public STUN server of a third party.
        super().__init__(RTCConfiguration(iceServers=[]))

    def _RTCPeerConnection__createDtlsTransport(self) -> RTCDtlsTransport:  # noqa: N802
        dtls: RTCDtlsTransport = getattr(super(), _MAKER)()
        self._ways.append(_give_way(dtls, self._network, self._caller))
        return dtls

    def forget_closed(self) -> None:
        """Let go of ways that the answer closed: a bundle has one for all."""
        self._ways = [way for way in self._ways if not way.closed]

    def forget_descriptions(self) -> None:
        """Let go of offer and answer, 16 KiB in pieces; nobody negotiates again."""
        for name in _DESCRIPTIONS:
            setattr(self, name, None)

    async def abandon(self) -> None:
        """Close what is open to the network, whatever a half-applied offer left of the rest."""
        for way in self._ways:
            await way.close()

    @property
    def vanished(self) -> bool:
        """The caller was there and consents no more; the state alone may say that it left."""
        return any(way.vanished for way in self._ways)

    @property
    def relay_lost(self) -> bool:
        """The relay that carried the media is gone."""
        return any(way.relay_lost for way in self._ways)


def _give_way(dtls: Any, network: Network, caller: str | None) -> IceConnection:
    transport = dtls.transport
    made = transport.iceGatherer._connection
    ours = IceConnection(
        network, username=made.local_username, password=made.local_password, caller=caller
    )
    transport.iceGatherer._connection = ours
    transport._connection = ours
    transport._recv = ours.recv
    transport._send = ours.send
    ours.seal = Seal()
    take_keys(dtls, ours.seal)
    shake_hands = dtls.start

    async def start(parameters: RTCDtlsParameters) -> None:
        # The library begins the handshake of a call that ended unconnected, too: 60 KiB of OpenSSL.
        if not ours.closing:
            await shake_hands(parameters)

    dtls.start = start
    return ours
