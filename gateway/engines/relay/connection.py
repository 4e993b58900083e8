"""A WebSocket to an upstream: frames handed over as they come, written as they go.

A text frame that is a whole message is taken here (RFC 6455, section 5.2); every
other frame, and whatever is wrong with one, is the library's, which gets whole
frames only, and is there from the first such frame on. What does not fit into
the socket waits in the transport; its owner looks at how much.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.frames import DATA_OPCODES, Close, CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from gateway.engines.relay.handshake import (
    HandshakeFault,
    Upgrade,
    check_answer,
    end_of_answer,
)

PING_INTERVAL_S: Final = 20.0
PING_TIMEOUT_S: Final = 20.0
PING_BYTES: Final = 4
CLOSE_TIMEOUT_S: Final = 2.0
"""How long an upstream may take to say goodbye; then the connection is dropped."""

WHOLE_TEXT: Final = 0x81
MASKED: Final = 0x80
SHORT, MIDDLE = 126, 65_536
"""From which length on 2, and 8, bytes more tell it."""

_LOST: Final = 1006
_GOODBYE: Final = Close(CloseCode.NORMAL_CLOSURE, "").serialize()


class Connection(asyncio.Protocol):
    """Asks for the upgrade as soon as it can, or did already; checks the answer."""

    transport: asyncio.Transport
    """There from `connection_made` on."""

    def __init__(self, address: str, upgrade: Upgrade, *, most_bytes: int) -> None:
        self._address = address
        self._upgrade = upgrade
        self._most = most_bytes
        self.early: list[str | None] = []
        self.take: Callable[[str | None], None] = self.early.append
        self.gone: Callable[[], None] | None = None
        self.offer: Callable[[bytes, bytes], bool] | None = None
        """Is offered a frame and its payload; says whether it took them."""
        self.unsent = upgrade.request
        """What of the request is still to go out."""
        self.is_open = False
        self.is_lost = False
        self._made = False
        self._unwanted = False
        self._deaf = False
        """What comes is no longer the protocol's."""
        self.paused = False
        """The transport asks to write no more for now."""
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] | None = None
        self._answered = self._loop.create_future()
        self._refusal: HandshakeFault | None = None
        self._answer: bytearray | None = bytearray()
        self._rest: bytearray | None = None
        """The beginning of a frame whose end has not come."""
        self._parts: list[bytes] = []
        self._text = False
        self._library: ClientProtocol | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ping = b""

    @property
    def close_code(self) -> int:
        """The code of the end; 1006 where there was none."""
        return (self._library and self._library.close_code) or _LOST

    # --- the handshake ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast("asyncio.Transport", transport)
        self._made = True
        if self._unwanted:
            self.transport.abort()
            return
        if self.unsent:
            self.transport.write(self.unsent)
            self.unsent = b""

    async def answered(self) -> None:
        """Wait for the answer to that.

        Raises:
            HandshakeFault: it is a refusal, or none came.
        """
        await self._answered
        if self._refusal is not None:
            raise self._refusal

    def _take_answer(self, answer: bytearray, data: bytes) -> None:
        answer += data
        try:
            end = end_of_answer(answer)
            if not end:
                return
            check_answer(answer[:end], self._upgrade.accept)
        except HandshakeFault as fault:
            self._refuse(fault)
            self.transport.abort()
            return
        self._answer = None
        self.is_open = True
        self._timer = self._loop.call_later(PING_INTERVAL_S, self._ask_for_life)
        if not self._answered.done():
            self._answered.set_result(None)
        if len(answer) > end:
            self._take_frames(bytes(answer[end:]))

    def _refuse(self, fault: HandshakeFault) -> None:
        self._refusal = self._refusal or fault
        if not self._answered.done():  # nobody waits any more, or both came
            self._answered.set_result(None)

    # --- what comes ---

    def data_received(self, data: bytes) -> None:
        """Take what the network brought."""
        if self._answer is not None:
            if self._refusal is None:
                self._take_answer(self._answer, data)
        elif self._deaf:
            pass
        elif self._rest is None:
            self._take_frames(data)
        else:
            self._rest += data
            self._take_frames(self._rest)

    def _take_frames(self, data: bytes | bytearray) -> None:
        """Take the whole frames of `data`, keep the rest."""
        place, size, most = 0, len(data), self._most
        while size - place >= 2:
            length, start = data[place + 1], place + 2
            if length >= SHORT:
                start += 2 if length == SHORT else 8
                if start > size and length < MASKED:
                    break
                length = int.from_bytes(data[place + 2 : start], "big")
            if data[place + 1] >= MASKED or length > most:
                self._rest, self._deaf = None, True
                self._leave_to_library(bytes(data[place:]))  # it knows how to refuse
                return
            end = start + length
            if end > size:
                break
            if data[place] == WHOLE_TEXT and not self._parts and self.is_open:
                payload = bytes(data[start:end])
                if (
                    self.offer is None
                    or not SHORT <= length < MIDDLE  # there its header is the only one it can have
                    or data[place + 1] != SHORT
                    or not self.offer(bytes(data[place:end]), payload)
                ):
                    self.take(_text_of(payload))
            else:
                self._leave_to_library(bytes(data[place:end]))
            place = end
        if place or data is not self._rest:
            self._rest = bytearray(data[place:]) if place < size else None

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            if bytes(frame.data) == self._ping:
                self._expect(PING_INTERVAL_S, self._ask_for_life)
            return
        if frame.opcode not in DATA_OPCODES:
            return
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        data = bytes(frame.data)
        if not frame.fin:
            self._parts.append(data)
            return
        if self._parts:
            data = b"".join((*self._parts, data))
            self._parts.clear()
        self.take(_text_of(data) if self._text else None)

    # --- the library's part ---

    def _protocol(self) -> ClientProtocol:
        if self._library is None:
            uri = parse_uri(self._address)
            self._library = ClientProtocol(uri, state=State.OPEN, max_size=self._most)
        return self._library

    def _leave_to_library(self, data: bytes) -> None:
        protocol = self._protocol()
        protocol.receive_data(data)
        self._carry_out(protocol)

    def _carry_out(self, protocol: ClientProtocol) -> None:
        """Send what the library wants sent, take what it found."""
        events = protocol.events_received()
        for data in protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:
                self.transport.close()
        if self.is_open and protocol.state is not State.OPEN:
            # The upstream ends the connection after goodbyes; one that does not is dropped.
            self.is_open = False
            self._expect(CLOSE_TIMEOUT_S, self.abort)
        for event in events:
            self._frame(cast("Frame", event))

    def _expect(self, delay_s: float, otherwise: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, otherwise)

    def _ask_for_life(self) -> None:
        if self.is_open:
            self._ping = secrets.token_bytes(PING_BYTES)
            protocol = self._protocol()
            protocol.send_ping(self._ping)
            self._expect(PING_TIMEOUT_S, self._give_up)
            self._carry_out(protocol)

    def _give_up(self) -> None:
        protocol = self._protocol()
        protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        self._carry_out(protocol)

    # --- the end ---

    async def close(self) -> None:
        """Say goodbye, and wait until the upstream has gone."""
        if self.is_open and self._library is None:
            # Nobody listens any more, and the upstream ends the connection: no parser for that.
            self.is_open, self._deaf = False, True
            self.transport.write(Frame(Opcode.CLOSE, _GOODBYE).serialize(mask=True))
        elif self.is_open:
            protocol = self._protocol()
            protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._carry_out(protocol)
        if self._made and not self.is_lost:
            self._over = self._loop.create_future()
            await self._over

    def abort(self) -> None:
        """End the connection at once, or when it is made."""
        self._unwanted = True
        if self._made:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of the end."""
        self.is_open, self.is_lost = False, True
        if self._timer is not None:
            self._timer.cancel()
        if self._library is not None:
            self._library.receive_eof()
        self._refuse(HandshakeFault(str(exc or "it said nothing")))
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        if self.gone is not None:
            self.gone()

    def pause_writing(self) -> None:
        """More waits than the transport likes."""
        self.paused = True

    def resume_writing(self) -> None:
        """It waits no more."""
        self.paused = False


def _text_of(data: bytes | bytearray) -> str | None:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return None
