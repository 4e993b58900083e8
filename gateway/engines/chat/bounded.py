"""HTTP answers that are read no further than was agreed on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2

from gateway.engines.chat.faults import AnswerTooLongError


class _Bounded(httpx2.AsyncByteStream):
    """A body that fails at its bound."""

    def __init__(self, body: httpx2.AsyncByteStream, most_bytes: int) -> None:
        self._body = body
        self._most = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for piece in self._body:
            read += len(piece)
            if read > self._most:
                raise AnswerTooLongError
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


def bounded(most_bytes: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """Return a hook for answers: their bodies end at `most_bytes` with `AnswerTooLongError`.

    A transport of our own would do the same, but keep httpx from proxies that the
    environment names.
    """

    async def bound(response: httpx2.Response) -> None:
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, most_bytes)

    return bound
