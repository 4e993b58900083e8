"""A connection to an upstream that speaks only the beta: GA on our side of it.

Audio costs no parsing: an append is the same in both, a delta differs in its name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import orjson
import structlog

from gateway.engines.relay.link import Link
from realtime.dialects.beta.endpoint import BetaEndpoint
from realtime.dialects.beta.names import RENAMED

_APPEND: Final = '{"type":"input_audio_buffer.append"'
_GA_AUDIO: Final = '{"type":"response.output_audio.delta"'
_BETA_AUDIO: Final = f'{{"type":"{RENAMED["response.output_audio.delta"]}"'

_log = structlog.get_logger("relay")


class BetaLink(Link):
    """Translates what goes up and what comes down."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._dialect = BetaEndpoint()
        self._ahead: deque[str | None] = deque()

    def write(self, text: str) -> None:
        """See `Link`."""
        if not text.startswith(_APPEND):
            event = orjson.loads(text)
            text = orjson.dumps(self._dialect.up(event)).decode()
        super().write(text)

    def listen(
        self,
        take: Callable[[str | None], None],
        gone: Callable[[], None],
        _offer: Callable[[bytes, bytes], bool] | None = None,
    ) -> None:
        """See `Link`; no frame of the beta is the frame that clients get."""
        while self._ahead:
            take(self._ahead.popleft())

        def translate(text: str | None) -> None:
            for one in self._in_ga(text):
                take(one)

        super().listen(translate, gone)

    async def next_text(self) -> str | None:
        """See `Link`."""
        while not self._ahead:
            self._ahead.extend(self._in_ga(await super().next_text()))
        return self._ahead.popleft()

    def _in_ga(self, text: str | None) -> list[str | None]:
        """Return the frames that a frame means; what is no event is left for others to judge."""
        if text is None:
            return [None]
        if text.startswith(_BETA_AUDIO):
            return [_GA_AUDIO + text[len(_BETA_AUDIO) :]]
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            return [text]
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            return [text]
        try:
            meant = self._dialect.down(event)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # An event of a shape of its own; nobody could say what it means in GA.
            _log.warning("untranslatable", type=event["type"], error=type(error).__name__)
            return []
        if len(meant) == 1 and meant[0] is event:
            return [text]
        return [orjson.dumps(one).decode() for one in meant]
