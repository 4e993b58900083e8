"""The client's side of a WebSocket handshake (RFC 6455, section 4), without extensions.

The library's costs a third of a relay's time to its first event: what does not
change from one connection to the next is made once, and the answer is read by
the few rules that it must keep.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from websockets.headers import build_authorization_basic, build_host
from websockets.http11 import USER_AGENT
from websockets.uri import parse_uri

KEY_BYTES: Final = 16
MOST_ANSWER_BYTES: Final = 65_536
MOST_HEADERS: Final = 128

END: Final = b"\r\n\r\n"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SWITCHING: Final = b"HTTP/1.1 101"
_STATUS: Final = re.compile(rb"HTTP/1\.1 101(?: [\t\x20-\x7e\x80-\xff]*)?")
_HEADER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")
_ALONE: Final = (b"sec-websocket-accept", b"upgrade")
_UNASKED: Final = (b"sec-websocket-extensions", b"sec-websocket-protocol")


class HandshakeFault(Exception):
    """What answered is no endpoint that would speak the protocol with us."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A request for an upgrade, and what must answer it."""

    request: bytes
    accept: bytes

    @classmethod
    def of(cls, address: str, headers: Mapping[str, str]) -> Upgrade:
        """Return a request of its own; `headers` go with it."""
        key = b64encode(secrets.token_bytes(KEY_BYTES))
        told = dict(headers)
        if "Authorization" not in told and (basic := _basic(address)) is not None:
            told["Authorization"] = basic
        lines = "".join([f"{name}: {value}\r\n" for name, value in told.items()])
        return cls(
            b"".join((_head(address), key, b"\r\n", lines.encode(), b"\r\n")), answer_to(key)
        )


def answer_to(key: bytes) -> bytes:
    """Return what proves that a peer read the key."""
    return b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


@lru_cache(maxsize=256)
def _head(address: str) -> bytes:
    """Return the request up to its key."""
    uri = parse_uri(address)
    return (
        f"GET {uri.resource_name} HTTP/1.1\r\n"
        f"Host: {build_host(uri.host, uri.port, uri.secure)}\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"User-Agent: {USER_AGENT}\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: "
    ).encode()


@lru_cache(maxsize=256)
def _basic(address: str) -> str | None:
    """Return what a name and password in the address mean."""
    info = parse_uri(address).user_info
    return None if info is None else build_authorization_basic(*info)


def end_of_answer(data: bytes | bytearray) -> int:
    """Return how long the answer is with which `data` begins, 0 while its end has not come.

    Raises:
        HandshakeFault: it is none, or longer than it may be.
    """
    if not data.startswith(_SWITCHING[: len(data)]):
        raise HandshakeFault("it does not switch protocols")
    end = data.find(END, 0, MOST_ANSWER_BYTES)
    if end < 0 and len(data) >= MOST_ANSWER_BYTES:
        raise HandshakeFault("its answer has no end")
    return end + len(END) if end >= 0 else 0


def check_answer(answer: bytes | bytearray, accept: bytes) -> None:
    """Pass an answer, end and all, that keeps the rules (RFC 6455, section 4.1).

    Raises:
        HandshakeFault: it does not.
    """
    status, *lines = bytes(answer[: -len(END)]).split(b"\r\n")
    if not _STATUS.fullmatch(status) or len(lines) > MOST_HEADERS:
        raise HandshakeFault("its answer is malformed")
    found: dict[bytes, bytes] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise HandshakeFault("a header is malformed")
        name, value = header[1].lower(), header[2].strip(b" \t")
        if name in found:
            if name in _ALONE:
                raise HandshakeFault("a header stands there twice")
            value = b",".join((found[name], value))
        found[name] = value
    if found.get(b"upgrade", b"").lower() != b"websocket":
        raise HandshakeFault("it upgrades to something else")
    options = found.get(b"connection", b"").lower().split(b",")
    if not any(option.strip(b" \t") == b"upgrade" for option in options):
        raise HandshakeFault("it does not upgrade the connection")
    if found.get(b"sec-websocket-accept") != accept:
        raise HandshakeFault("it did not read our key")
    if any(name in found for name in _UNASKED):
        raise HandshakeFault("it chose what was not offered")
