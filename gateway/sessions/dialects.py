"""The dialects of the protocol that clients speak, on frames.

What only differs in its name is renamed in the text, so that an audio delta
costs a beta client no parsing; the rest is translated by `realtime.dialects`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

import orjson

from realtime.dialects.beta.dialect import BetaDialect
from realtime.dialects.beta.names import RENAMED, UNCHANGED

DialectName = Literal["ga", "beta"]

_HEAD: Final = '{"type":"'
"""How every frame begins (CONTRACT 4)."""
_GA_AUDIO: Final = _HEAD + "response.output_audio.delta"
_BETA_AUDIO: Final = _HEAD + RENAMED["response.output_audio.delta"]


class Dialect(Protocol):
    """How one client speaks; GA is what it is translated from and to."""

    name: DialectName

    def incoming(self, data: Any) -> Any:
        """Return a decoded frame of the client in GA.

        Raises:
            WireFault: what is wrong with it.
        """

    def outgoing(self, text: str) -> Sequence[str]:
        """Return the frames that a GA frame means to the client; maybe none."""

    def audio(self, text: str) -> str:
        """Return a GA audio delta as the client knows it."""


class _Ga:
    """Nothing to translate."""

    name: DialectName = "ga"

    def incoming(self, data: Any) -> Any:
        return data

    def outgoing(self, text: str) -> Sequence[str]:
        return (text,)

    def audio(self, text: str) -> str:
        return text


GA: Final[Dialect] = _Ga()
"""The contract's own dialect."""


class Beta:
    """The dialect of `OpenAI-Beta: realtime=v1` (CONTRACT 18)."""

    name: DialectName = "beta"

    def __init__(self, translation: BetaDialect) -> None:
        self._translation = translation

    def incoming(self, data: Any) -> Any:
        """See `Dialect`."""
        return self._translation.incoming(data)

    def outgoing(self, text: str) -> Sequence[str]:
        """See `Dialect`."""
        end = text.index('"', len(_HEAD))
        kind = text[len(_HEAD) : end]
        if kind in UNCHANGED:
            return (text,)
        if kind in RENAMED:
            return (_HEAD + RENAMED[kind] + text[end:],)
        events = self._translation.outgoing(orjson.loads(text))
        return [orjson.dumps(event).decode() for event in events]

    def audio(self, text: str) -> str:
        """See `Dialect`."""
        return _BETA_AUDIO + text[len(_GA_AUDIO) :]
