"""Checks an SDP offer before the media library sees it (RFC 8829; CONTRACT 14).

The library answers offers that cannot work and fails in the background, or
half-applies them: what is refused is refused here.
"""

from __future__ import annotations

import re
from typing import Final

from aiortc import sdp

from gateway.ingress.webrtc.codecs import OPUS, PCMA, PCMU
from gateway.ingress.webrtc.offer_bounds import excess
from realtime.errors import WireFault

MOST_SDP_BYTES: Final = 64 * 1024
MOST_MESSAGE_BYTES: Final = 256 * 1024
"""What data channels bear (CONTRACT 14; DECISIONS 2.6)."""
UNSAID_MESSAGE_BYTES: Final = 64 * 1024
"""What a caller takes that does not say (RFC 8841 6.1)."""
MOST_DIGITS: Final = 10
"""Digits of such a number that are read; one with more is larger than anything we send."""
_MESSAGE_SIZE: Final = "a=max-message-size:"
_FRAGMENT: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")
SPOKEN: Final = {OPUS, PCMU.lower(), PCMA.lower()}


class InvalidOffer(WireFault):
    """The offer cannot be answered. Code and wording are our choice."""

    status = 400
    code = "invalid_offer"

    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid SDP offer: {why}", param="sdp")


def checked_offer(text: str) -> str:
    """Return the offer if a call can come of it.

    Raises:
        InvalidOffer: none can.
    """
    if len(text.encode()) > MOST_SDP_BYTES:
        raise InvalidOffer(f"it is longer than {MOST_SDP_BYTES} bytes.")
    if not text.lstrip().startswith("v=0"):
        raise InvalidOffer("it does not begin with 'v=0'.")
    lines = [line.strip() for line in text.strip().splitlines()]
    too_much = excess(lines)
    if too_much is not None:
        raise InvalidOffer(f"it has {too_much}.")
    normal = "\r\n".join(lines) + "\r\n"
    try:
        parsed = sdp.SessionDescription.parse(normal)
    except Exception:  # noqa: BLE001 -- the parser raises whatever it trips over
        raise InvalidOffer("it cannot be parsed.") from None
    _check(parsed)
    return normal


def offers_channel(offer: str) -> bool:
    """Say whether a checked offer has a data channel that is not refused (port 0)."""
    return any(
        line.startswith("m=application ") and line.split(" ")[1] != "0"
        for line in offer.splitlines()
    )


def most_message_bytes(offer: str) -> int:
    """Return the longest message that a checked offer's caller takes, as far as we send any."""
    said = [line for line in offer.splitlines() if line.startswith(_MESSAGE_SIZE)]
    number = said[-1].removeprefix(_MESSAGE_SIZE).strip() if said else ""
    if len(number) > MOST_DIGITS:
        return MOST_MESSAGE_BYTES
    most = int(number) if number.isascii() and number.isdigit() else UNSAID_MESSAGE_BYTES
    return min(most or MOST_MESSAGE_BYTES, MOST_MESSAGE_BYTES)


def _check(parsed: sdp.SessionDescription) -> None:
    if not parsed.media:
        raise InvalidOffer("it has no media sections.")
    sounds = [media for media in parsed.media if media.kind == "audio"]
    channels = [media for media in parsed.media if media.kind == "application"]
    if not sounds and not channels:
        raise InvalidOffer("it has neither audio nor a data channel.")
    _check_names(parsed)
    if len(sounds) > 1 or len(channels) > 1:
        raise InvalidOffer("it has more than one audio section or data channel.")
    for media in parsed.media:
        if media.port == 0 and media.kind not in {"audio", "application"}:
            continue
        if media.dtls is None or not media.dtls.fingerprints:
            raise InvalidOffer("a media section has no fingerprint.")
        if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
            raise InvalidOffer("a media section has no ICE credentials.")
    _check_credentials(parsed)
    for media in sounds:
        spoken = {codec.mimeType.lower() for codec in media.rtp.codecs}
        if not spoken & SPOKEN:
            raise InvalidOffer("it offers none of the codecs opus, PCMU and PCMA.")


def _check_credentials(parsed: sdp.SessionDescription) -> None:
    """RFC 8839 5.4: they are copied into every packet to wherever the offer points."""
    for media in parsed.media:
        fragment = media.ice.usernameFragment if media.ice is not None else None
        password = media.ice.password if media.ice is not None else None
        if fragment and not _FRAGMENT.fullmatch(fragment):
            raise InvalidOffer("an 'ice-ufrag' is not 4 to 256 letters, digits, '+' and '/'.")
        if password and not _PASSWORD.fullmatch(password):
            raise InvalidOffer("an 'ice-pwd' is not 22 to 256 letters, digits, '+' and '/'.")


def _check_names(parsed: sdp.SessionDescription) -> None:
    """Sections are found by their names, and what is bundled must be there (RFC 9143)."""
    names = [media.rtp.muxId for media in parsed.media]
    if len(set(names)) < len(names) or (len(names) > 1 and not all(names)):
        raise InvalidOffer("its media sections need a 'mid' each, and different ones.")
    for group in parsed.group:
        if group.semantic == "BUNDLE" and not set(map(str, group.items)) <= set(names):
            raise InvalidOffer("it bundles a media section that it does not have.")
