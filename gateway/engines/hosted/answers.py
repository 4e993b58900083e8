"""What a transcriptions endpoint answers: one JSON object, or a stream of events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from openai import AsyncAPIResponse

from gateway.engines.hosted.faults import BROKE_OFF, UNREADABLE, EndpointError
from realtime.engine import TokenLogprob

MOST_ANSWER_BYTES = 1024 * 1024
"""An hour of speech is 60 KB of text; with log probabilities of each token ten times that."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What an endpoint heard."""

    text: str
    language: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


async def read_transcript(
    response: AsyncAPIResponse[Any], more: Callable[[str], None]
) -> Transcript:
    """Return the transcript; `more` gets pieces of the text as they come.

    Raises:
        EndpointError, ValueError, KeyError, TypeError: it is no transcript, or not whole.
    """
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        body = b"".join([part async for part in _bounded(response)])
        return _transcript(json.loads(body))
    async for event in _events(response):
        if event["type"] == "transcript.text.delta":
            more(str(event["delta"]))
        elif event["type"] == "transcript.text.done":
            return _transcript(event)
        elif event["type"] == "error":
            break
    raise EndpointError(BROKE_OFF)


async def _bounded(response: AsyncAPIResponse[Any]) -> AsyncIterator[bytes]:
    length = 0
    async for part in response.iter_bytes():
        length += len(part)
        if length > MOST_ANSWER_BYTES:
            raise EndpointError(UNREADABLE)
        yield part


async def _events(response: AsyncAPIResponse[Any]) -> AsyncIterator[dict[str, Any]]:
    held = b""
    async for part in _bounded(response):
        *lines, held = (held + part).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield json.loads(data)


def _transcript(told: dict[str, Any]) -> Transcript:
    text = str(told["text"]).strip()
    tokens = told.get("logprobs") or ()
    pieces = [(str(each["token"]), float(each["logprob"])) for each in tokens]
    if not pieces:
        segments = told.get("segments") or ()
        pieces = [(str(each["text"]), float(each["avg_logprob"])) for each in segments]
    language = told.get("language")
    # A verbose answer calls languages by their English names; only codes are languages to us.
    code = language if isinstance(language, str) and len(language) == len("en") else None
    return Transcript(text, code, scored(pieces, text))


def scored(pieces: Iterable[tuple[str, float]], text: str) -> tuple[TokenLogprob, ...]:
    """Return pieces of a text as tokens that make it up exactly, none where they do not."""
    tokens: list[TokenLogprob] = []
    rest = text
    for number, (piece, logprob) in enumerate(pieces):
        token = piece if number else piece.lstrip()
        if not rest.startswith(token):
            token = token.rstrip()
        if not token or not rest.startswith(token):
            if piece.strip():
                return ()
            continue
        tokens.append(TokenLogprob(token, min(0.0, logprob)))
        rest = rest[len(token) :]
    return () if rest else tuple(tokens)
