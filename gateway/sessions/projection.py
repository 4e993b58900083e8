"""How one client of a session sees it: dialect, audio, hidden fields (DECISIONS 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

HIDEABLE: Final[Mapping[str, Any]] = {"instructions": "", "prompt": None, "tools": []}
"""What may be hidden in a session's echo, and what stands there instead (DECISIONS 2.1)."""

_ECHOES = ('{"type":"session.created"', '{"type":"session.updated"')


@dataclass(frozen=True, slots=True)
class Projection:
    """One way of seeing a session; the GA dialect is the only one so far."""

    dialect: Literal["ga"] = "ga"
    audio: bool = True
    """`response.output_audio.delta` comes (a WebSocket has no other way; a data channel has)."""
    hidden: frozenset[str] = frozenset()
    """Fields of the session, keys of HIDEABLE, that are blanked in echoes."""

    def frame(self, text: str) -> str:
        """Return a GA frame as this client gets it."""
        if not self.hidden or not text.startswith(_ECHOES):
            return text
        event = orjson.loads(text)
        session = event["session"]
        for name in self.hidden & session.keys():
            session[name] = HIDEABLE[name]
        return orjson.dumps(event).decode()


PLAIN: Final = Projection()
"""Everything, as the contract has it."""
