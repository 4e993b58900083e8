"""A server at the other end of a WebSocket as the stage of golden traces that need no script."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from conformance.golden import Trace

ANSWER_TIMEOUT_S = 10.0
QUIET_S = 0.05
"""Time in which an event that no line expects gets its chance to come."""

DEFAULT_MODEL = "gpt-realtime"
TRANSLATION_MODEL = "gpt-realtime-translate"


@contextmanager
def opened(url: str, key: str, trace: Trace) -> Iterator[SocketStage]:
    """Connect to the socket at `url` (without query) as the trace's header says.

    `key` is a valid one, for the traces that name none of their own.
    """
    how = trace.traits.get("connect", {})
    kind = trace.traits.get("session")
    transcribes, translates = kind == "transcription", kind == "translation"
    model = trace.traits.get("model", TRANSLATION_MODEL if translates else DEFAULT_MODEL)
    url += "/translations" if translates else ""
    query = how.get("query", "intent=transcription" if transcribes else f"model={model}")
    credential = how.get("key", key)
    headers = dict(how.get("headers", {}))
    if credential is not None:
        headers["Authorization"] = f"Bearer {credential}"
    address = f"{url}?{query}" if query else url
    with connect(address, additional_headers=headers, max_size=None) as socket:
        yield SocketStage(socket)


class SocketStage:
    """One connection."""

    def __init__(self, socket: ClientConnection) -> None:
        """Play on an open socket."""
        self._socket = socket
        self._closed = False

    def send(self, line: Mapping[str, Any]) -> None:
        """Send an event, or a frame that is none."""
        if "binary" in line:
            self._socket.send(base64.b64decode(line["binary"]))
        else:
            self._socket.send(line["raw"] if "raw" in line else json.dumps(line["ev"]))

    def act(self, line: Mapping[str, Any]) -> None:
        """Refuse: nobody here does what an engine line says."""
        raise NotImplementedError(line)

    def asked(self) -> Mapping[str, Any] | None:
        """Return nothing: what the engine is asked is not seen from here."""
        return None

    def take(self) -> Mapping[str, Any] | None:
        """Return the next event, or the CLOSE."""
        return self._receive(ANSWER_TIMEOUT_S)

    def unasked(self) -> Mapping[str, Any] | None:
        """Return an event that comes though no line expects it."""
        return self._receive(QUIET_S)

    def _receive(self, timeout_s: float) -> Mapping[str, Any] | None:
        if self._closed:
            return None
        try:
            return dict(json.loads(self._socket.recv(timeout=timeout_s)))
        except TimeoutError:
            return None
        except ConnectionClosed as closed:
            self._closed = True
            return {"close": [closed.rcvd.code, closed.rcvd.reason] if closed.rcvd else None}
