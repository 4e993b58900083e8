"""One connection to an OVOS message bus, shared by all callers.

The hub repeats every message to everybody, so most of what arrives concerns
others; a frame is parsed only when one of our session ids or a watched type is in
it. `run` keeps the connection and returns only by cancellation. Sending never
waits: while there is no connection, or its queue is full, `send` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from ovos_bridge.messages import SPEAK, BusMessage, decode, encode, session_of_ident

CONNECT_TIMEOUT_S = 5.0
RECONNECT_FIRST_S = 0.1
RECONNECT_MAX_S = 2.0
SEND_TIMEOUT_S = 5.0
SEND_QUEUE_MESSAGES = 4_096
"""At this bound the hub has stopped reading: the connection is dropped and made anew."""

PING_INTERVAL_S = 5.0
PING_TIMEOUT_S = 10.0


class BusUnavailable(ConnectionError):
    """There is no bus, or it was lost before the answer came."""


class SessionListener(Protocol):
    """Takes what concerns one OVOS session."""

    def received(self, message: BusMessage) -> None:
        """Take a message of the session, our own included."""

    def lost(self) -> None:
        """The bus is gone; messages may have been missed."""


class Bus:
    """The connection. Use it from one event loop only."""

    def __init__(
        self, url: str, *, prefix: str, jitter: Callable[[], float] = random.random
    ) -> None:
        """`prefix` begins every session id of ours; a frame without it is foreign."""
        self.url = url
        self.prefix = prefix
        self._jitter = jitter
        self._listeners: dict[str, SessionListener] = {}
        self._watches: dict[str, list[Callable[[BusMessage], None]]] = {}
        self._state_watches: list[Callable[[bool], None]] = []
        self._outgoing: asyncio.Queue[str] | None = None
        self._socket: ClientConnection | None = None
        self._drop = asyncio.Event()
        self.connects = 0

    @property
    def connected(self) -> bool:
        """True while messages can be sent."""
        return self._outgoing is not None

    def listen(self, session_id: str, listener: SessionListener) -> None:
        """Hand messages of an OVOS session to a listener until `unlisten`."""
        self._listeners[session_id] = listener

    def unlisten(self, session_id: str) -> None:
        """Forget the listener of a session. Idempotent."""
        self._listeners.pop(session_id, None)

    def watch(self, kind: str, callback: Callable[[BusMessage], None]) -> None:
        """Hand every message of a type to a callback, whoever it concerns."""
        self._watches.setdefault(kind, []).append(callback)

    def unwatch(self, kind: str, callback: Callable[[BusMessage], None]) -> None:
        """Undo one `watch`."""
        callbacks = self._watches.get(kind, [])
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks:
            self._watches.pop(kind, None)

    def watch_connection(self, callback: Callable[[bool], None]) -> None:
        """Be told of every connect (True) and loss (False)."""
        self._state_watches.append(callback)

    def send(self, message: BusMessage) -> bool:
        """Queue a message; False when it cannot go out."""
        if self._outgoing is None:
            return False
        try:
            self._outgoing.put_nowait(encode(message))
        except asyncio.QueueFull:
            self._drop.set()
            return False
        return True

    def abandon(self) -> None:
        """Tell every listener that what it waits for will not come."""
        for listener in tuple(self._listeners.values()):
            listener.lost()

    async def request(
        self, kind: str, reply: str, *, timeout_s: float, data: Mapping[str, Any] | None = None
    ) -> BusMessage:
        """Send a message and return the next one of type `reply`.

        Raises:
            BusUnavailable: there is no bus.
            TimeoutError: nobody answered in time.
        """
        future: asyncio.Future[BusMessage] = asyncio.get_running_loop().create_future()

        def take(message: BusMessage) -> None:
            if not future.done():
                future.set_result(message)

        self.watch(reply, take)
        try:
            if not self.send(BusMessage(kind, data or {}, self.context())):
                raise BusUnavailable(kind)
            async with asyncio.timeout(timeout_s):
                return await future
        finally:
            self.unwatch(reply, take)

    def context(self) -> dict[str, Any]:
        """Return the context of a message that belongs to no caller."""
        return {"session": {"session_id": f"{self.prefix}service"}, "source": "gateway"}

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, until cancelled."""
        delay_s = RECONNECT_FIRST_S
        while True:
            try:
                async with connect(
                    self.url,
                    compression=None,
                    max_size=None,
                    open_timeout=CONNECT_TIMEOUT_S,
                    ping_interval=PING_INTERVAL_S,
                    ping_timeout=PING_TIMEOUT_S,
                    close_timeout=1.0,
                    proxy=None,
                ) as socket:
                    delay_s = RECONNECT_FIRST_S
                    await self._converse(socket)
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI, WebSocketException):
                pass
            await asyncio.sleep(delay_s * (0.5 + self._jitter() / 2))
            delay_s = min(delay_s * 2, RECONNECT_MAX_S)

    async def _converse(self, socket: ClientConnection) -> None:
        self._outgoing = asyncio.Queue(SEND_QUEUE_MESSAGES)
        self._drop.clear()
        self.connects += 1
        for callback in tuple(self._state_watches):
            callback(True)
        try:
            await _until_first_ends(
                self._read(socket), self._write(socket, self._outgoing), self._drop.wait()
            )
        finally:
            self._outgoing = None
            for callback in tuple(self._state_watches):
                callback(False)
            self.abandon()

    async def _write(self, socket: ClientConnection, outgoing: asyncio.Queue[str]) -> None:
        while True:
            frame = await outgoing.get()
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await socket.send(frame)

    async def _read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            self._take(frame if isinstance(frame, str) else frame.decode("utf-8", "replace"))

    def _take(self, frame: str) -> None:
        ours = self.prefix in frame
        if not ours and not any(f'"{kind}"' in frame[:200] for kind in self._watches):
            return
        message = decode(frame)
        if message is None:
            return
        for callback in tuple(self._watches.get(message.type, ())):
            callback(message)
        listener = self._listener_of(message) if ours else None
        if listener is not None:
            listener.received(message)

    def _listener_of(self, message: BusMessage) -> SessionListener | None:
        found = self._listeners.get(message.session_id)
        if found is None and message.type == SPEAK:
            # A skill that speaks later may have lost the session, yet knows whose turn it was.
            found = self._listeners.get(session_of_ident(message.ident))
        return found


async def _until_first_ends(*works: Any) -> None:
    """Run awaitables until one ends, cancel and join the others, raise what it raised."""
    tasks: Sequence[asyncio.Future[Any]] = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):  # its turn comes below
                await task
    for task in done:
        task.result()
