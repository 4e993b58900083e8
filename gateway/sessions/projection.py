"""How one client of a session sees it: dialect, audio, hidden fields (DECISIONS 1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.sessions.dialects import GA, Dialect

HIDEABLE: Final[Mapping[str, Any]] = {"instructions": "", "prompt": None, "tools": []}
"""What may be hidden in a session's echo, and what stands there instead (DECISIONS 2.1)."""

_ECHOES = ('{"type":"session.created"', '{"type":"session.updated"')


@dataclass(frozen=True, slots=True)
class Projection:
    """One way of seeing a session."""

    dialect: Dialect = GA
    audio: bool = True
    """`response.output_audio.delta` comes (a WebSocket has no other way; a data channel has)."""
    hidden: frozenset[str] = frozenset()
    """Fields of the session, keys of HIDEABLE, that are blanked in echoes."""

    def frames(self, text: str) -> Sequence[str]:
        """Return what this client gets of a GA frame."""
        return self.dialect.outgoing(self._blanked(text))

    def _blanked(self, text: str) -> str:
        if not self.hidden or not text.startswith(_ECHOES):
            return text
        event = orjson.loads(text)
        session = event["session"]
        for name in self.hidden & session.keys():
            session[name] = HIDEABLE[name]
        return orjson.dumps(event).decode()


PLAIN: Final = Projection()
"""Everything, as the contract has it."""
