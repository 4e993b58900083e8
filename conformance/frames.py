"""Reads the text messages out of a WebSocket's bytes, in either direction."""

from __future__ import annotations

import json

TEXT, CONTINUATION = 1, 0
FIN, OPCODE, MASKED, LENGTH = 0x80, 0x0F, 0x80, 0x7F
WIDE = {126: 2, 127: 8}
"""Bytes that hold the length where it does not fit into the second byte."""


class Frames:
    """Takes bytes as they come; messages that are not text are left out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._text = False

    def feed(self, data: bytes) -> list[str]:
        """Return the text messages that are complete with these bytes."""
        self._buffer += data
        found: list[str] = []
        while (frame := self._next()) is not None:
            first, payload = frame
            opcode = first & OPCODE
            if opcode > TEXT + 1:  # a control frame may stand between the parts of a message
                continue
            if opcode != CONTINUATION:
                self._parts, self._text = [], opcode == TEXT
            self._parts.append(payload)
            if first & FIN and self._text:
                found.append(b"".join(self._parts).decode(errors="replace"))
        return found

    def _next(self) -> tuple[int, bytes] | None:
        """Take one frame from the buffer, if it is all there."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, length = 2, buffer[1] & LENGTH
        if length in WIDE:
            start += WIDE[length]
            length = int.from_bytes(buffer[2:start], "big")
        mask_start = start
        if buffer[1] & MASKED:
            start += 4
        if len(buffer) < start + length:
            return None
        payload = bytes(buffer[start : start + length])
        if buffer[1] & MASKED:
            payload = _unmasked(payload, bytes(buffer[mask_start:start]))
        first = buffer[0]
        del buffer[: start + length]
        return first, payload


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    clear = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return clear.to_bytes(len(payload), "big")


def event_type(text: str) -> str:
    """Return a message's `type`, empty when it has none."""
    try:
        event = json.loads(text)
    except ValueError:
        return ""
    return str(event.get("type", "")) if isinstance(event, dict) else ""
