"""The record of calls: a row for each, refused ones too, written behind as all records."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from gateway.recording.recordable import recordable
from gateway.recording.recorder import Recorder
from gateway.store.tables import CallRow
from realtime.session.inputs import EndReason

MOST_CHARACTERS: Final = 128
"""Of a model's name and of a reason, as the table has room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAsked:
    """The facts of a call that somebody asks for."""

    call_id: str
    organisation_id: str
    project_id: str
    key_id: str
    client_secret_id: str | None
    ingress: str
    kind: str
    model: str
    node: str


class CallRecord:
    """One call's row; times in Unix seconds, taken when told."""

    def __init__(self, recorder: Recorder, asked: CallAsked) -> None:
        self._recorder = recorder
        self._key = {
            "id": asked.call_id,
            "organisation_id": asked.organisation_id,
            "project_id": asked.project_id,
        }
        row = {
            **self._key,
            "key_id": asked.key_id,
            "client_secret_id": asked.client_secret_id,
            "ingress": asked.ingress,
            "kind": asked.kind,
            "model": recordable(asked.model)[:MOST_CHARACTERS],
            "node": asked.node,
            "created_at": int(time.time()),
            "why": "",
        }
        recorder.add(CallRow, row)

    def session(self, session_id: str) -> None:
        """The call has a session."""
        self._change(session_id=session_id)

    def answered(self) -> None:
        """The caller has the answer."""
        self._change(answered_at=int(time.time()))

    def connected(self) -> None:
        """Media flows."""
        self._change(connected_at=int(time.time()))

    def ended(self, reason: EndReason, why: str) -> None:
        """The call is over."""
        why = recordable(why)[:MOST_CHARACTERS]
        self._change(ended_at=int(time.time()), end_reason=reason.value, why=why)

    def _change(self, **values: Any) -> None:
        self._recorder.change(CallRow, {**self._key, **values})
