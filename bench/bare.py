"""The bare floor: an `asyncio.Protocol` that speaks just enough of RFC 6455 to decode and answer.

No library, no flow control, no fragments, no close handshake: what a server on
this machine cannot go below. PERFORMANCE figures of other machines compare by
their ratio to it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
from typing import cast

import orjson
import pybase64
from websockets.speedups import apply_mask

from bench.floor import DELTA

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
TEXT, CLOSE = 0x1, 0x8


def frame(text: str) -> bytes:
    """Return one unmasked text frame (RFC 6455, section 5.2)."""
    data = text.encode()
    size = len(data)
    if size < 126:
        return bytes((0x80 | TEXT, size)) + data
    return bytes((0x80 | TEXT, 126)) + size.to_bytes(2, "big") + data


class Bare(asyncio.Protocol):
    """One connection: every second append is answered with a delta."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.upgraded = False
        self.count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.upgraded and not self.upgrade():
            return
        while self.take():
            pass

    def upgrade(self) -> bool:
        """Answer the request once it is whole."""
        head, end, rest = bytes(self.data).partition(b"\r\n\r\n")
        if not end:
            return False
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        key = {name.lower(): value.strip() for name, _, value in lines}[b"sec-websocket-key"]
        proof = base64.b64encode(hashlib.sha1(key + ACCEPT, usedforsecurity=False).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n" + frame('{"type":"session.created"}')
        )
        self.data, self.upgraded = bytearray(rest), True
        return True

    def take(self) -> bool:
        """Take one masked frame off the buffer; say whether one was whole."""
        if len(self.data) < 2:
            return False
        at, size = 2, self.data[1] & 0x7F
        if size >= 126:
            wide = 2 if size == 126 else 8
            at, size = at + wide, int.from_bytes(self.data[at : at + wide], "big")
        end = at + 4 + size
        if len(self.data) < end:
            return False
        text = apply_mask(self.data[at + 4 : end], self.data[at : at + 4])
        kind = self.data[0] & 0x0F
        del self.data[:end]
        if kind == CLOSE:
            self.transport.close()
        elif kind == TEXT:
            self.answer(text)
        return True

    def answer(self, text: bytes) -> None:
        """Decode an append; answer every second one."""
        data = orjson.loads(text)
        if data["type"] == "input_audio_buffer.append":
            pybase64.b64decode(data["audio"], validate=True)
            self.count += 1
            if self.count % 2 == 0:
                self.transport.write(frame(DELTA))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.platform == "linux":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
