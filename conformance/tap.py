"""Stands between a client and an endpoint, passes every byte, and notes the events.

A client that nobody here wrote tells nothing about what it sent and received, so
its connections are read in passing. Bytes go through as they come; only the
request's head is touched: `Host` names the endpoint, and no compression is
offered, since what is deflated cannot be read. A suite may drop the open
sockets through the control address, to see its client come back.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from conformance.frames import Frames, event_type
from conformance.wire.endpoint import Endpoint

HEAD_BYTES = 64 * 1024
READ_BYTES = 64 * 1024
START_TIMEOUT_S = 10.0
DIAL_TIMEOUT_S = 10.0


@dataclass
class Seen:
    """Event types, by direction, as often as they went by."""

    sent: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    connections: int = 0

    def note(self, where: dict[str, int], text: str) -> None:
        """Count an event; a message that is no event is counted as such."""
        name = event_type(text) or "(no event)"
        where[name] = where.get(name, 0) + 1


class Tap:
    """Serves in a thread of its own while it is entered; `endpoint` is what the client gets."""

    def __init__(
        self, behind: Endpoint, certificate: tuple[Path, Path, Path] | None = None
    ) -> None:
        self._behind = behind
        self._certificate = certificate
        self.seen = Seen()
        self.endpoint = behind
        self.control = ""
        self._sockets: set[asyncio.StreamWriter] = set()
        self._started = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)

    def __enter__(self) -> Tap:
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise TimeoutError("the tap did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(ended.set)
        tls = self._server_context()
        passing = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=tls, limit=HEAD_BYTES
        )
        control = await asyncio.start_server(self._command, "127.0.0.1", 0)
        path = urlsplit(self._behind.base_url).path
        scheme = "https" if tls else "http"
        self.endpoint = replace(
            self._behind,
            base_url=f"{scheme}://127.0.0.1:{_port(passing)}{path}",
            authority=self._certificate[0] if self._certificate else None,
        )
        self.control = f"http://127.0.0.1:{_port(control)}"
        self._started.set()
        await ended.wait()
        for server in (passing, control):
            server.close()
        self._drop()

    def _server_context(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        _, certificate, key = self._certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    # --- dropping ---

    async def _command(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`POST /drop` cuts every open socket without a CLOSE.

        `POST /sent` and `/received` take the types of events that went by elsewhere: a data
        channel passes no tap.
        """
        head = await reader.readuntil(b"\r\n\r\n")
        done = self._drop() if head.startswith(b"POST /drop ") else 0
        for name, where in (("sent", self.seen.sent), ("received", self.seen.received)):
            if head.startswith(b"POST /%s " % name.encode()):
                told = json.loads(await reader.readexactly(_content_length(head)))
                where.update(Counter(told))
                done = len(told)
        body = b"%d\n" % done
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    def _drop(self) -> int:
        """Cut the sockets; return how many there were."""
        sockets, self._sockets = self._sockets, set()
        for writer in sockets:
            writer.transport.abort()
        return len(sockets) // 2

    # --- passing ---

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            onward, onto = await asyncio.wait_for(self._dial(), DIAL_TIMEOUT_S)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
            return
        upgrade = b"upgrade: websocket" in head.lower()
        onto.write(self._head(head, upgrade=upgrade))
        if not upgrade:
            await self._pass_both(reader, writer, onward, onto)
            return
        self.seen.connections += 1
        self._sockets |= {writer, onto}
        try:
            answer = await onward.readuntil(b"\r\n\r\n")
            writer.write(answer)
            sockets = answer.split(b" ", 2)[1] == b"101"
            await self._pass_both(reader, writer, onward, onto, events=sockets)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._sockets -= {writer, onto}

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._behind.base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        context = self._behind.context()
        return await asyncio.open_connection(parts.hostname, port, ssl=context, limit=HEAD_BYTES)

    def _head(self, head: bytes, *, upgrade: bool) -> bytes:
        """Return a request's head as the endpoint gets it."""
        host = urlsplit(self._behind.base_url).netloc.encode()
        first, *lines = head[:-4].split(b"\r\n")
        untouched = [
            line
            for line in lines
            if not line.lower().startswith((b"host:", b"sec-websocket-extensions:"))
            and (upgrade or not line.lower().startswith(b"connection:"))
        ]
        closing = [] if upgrade else [b"Connection: close"]
        return b"\r\n".join([first, b"Host: " + host, *untouched, *closing, b"", b""])

    async def _pass_both(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        onward: asyncio.StreamReader,
        onto: asyncio.StreamWriter,
        *,
        events: bool = False,
    ) -> None:
        seen = self.seen
        up = self._pass(reader, onto, seen.sent if events else None)
        down = self._pass(onward, writer, seen.received if events else None)
        tasks = [asyncio.ensure_future(up), asyncio.ensure_future(down)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        # The endpoint's last words go out before the client's side is closed.
        await asyncio.wait(tasks[1:], timeout=1.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for side in (onto, writer):
            side.close()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        where: dict[str, int] | None,
    ) -> None:
        frames = Frames()
        while data := await source.read(READ_BYTES):
            if where is not None:
                for text in frames.feed(data):
                    self.seen.note(where, text)
            sink.write(data)
            await sink.drain()


def _content_length(head: bytes) -> int:
    found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return int(found.group(1)) if found else 0


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
