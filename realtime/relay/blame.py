"""What an upstream's errors are about, where it does not name the event (CONTRACT 16).

Endpoints answer events in order, so that such an error is about the oldest of its kind that was
not answered; the kind is in its code, or in the place that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from realtime.relay.askers import Askers
from realtime.relay.faults import told_error
from realtime.relay.inputs import Json
from realtime.relay.offers import OFFER, Offers
from realtime.relay.prompts import RelayPrompts
from realtime.relay.unanswered import ANSWERED, Unanswered

_CLIENTS_FAULT: Final = "invalid_request_error"
_UPDATE: Final = "session.update"
_CREATE: Final = "conversation.item.create"
_BY_CODE: Final[Mapping[str, str]] = {
    "cannot_update_voice": _UPDATE,
    "conversation_already_has_active_response": "response.create",
    "input_audio_buffer_commit_empty": "input_audio_buffer.commit",
    "invalid_tool_call_id": _CREATE,
    "item_already_truncated": "conversation.item.truncate",
    "response_cancel_not_active": "response.cancel",
}
_BY_CODES_START: Final[Mapping[str, str]] = {
    f"item_{word}_": f"conversation.item.{word}"
    for word in ("create", "delete", "retrieve", "truncate")
}
_BY_PLACE: Final[Mapping[str, str]] = {
    "audio": "input_audio_buffer.append",
    "audio_end_ms": "conversation.item.truncate",
    "item": _CREATE,
    "previous_item_id": _CREATE,
    "response": "response.create",
    "session": _UPDATE,
    "type": "",  # of an event that nobody knows
}


class Blame:
    """Settles what the errors of an upstream are about."""

    def __init__(
        self, unanswered: Unanswered, offers: Offers, prompts: RelayPrompts, askers: Askers
    ) -> None:
        self._unanswered = unanswered
        self._offers = offers
        self._prompts = prompts
        self._askers = askers
        self._names_events = False
        """The upstream says which event an error is about: others are about none with an id."""

    def settle(self, error: Json) -> object:
        """The event that an error is about is answered; return its id, None without one."""
        event_id = error.get("event_id")
        if isinstance(event_id, str):
            self._names_events = True
            self._undo(event_id)
            self._unanswered.refused(event_id)
            return event_id
        if told_error(error) is not None:  # the operator's account, which no event is about
            return None
        if error.get("type") != _CLIENTS_FAULT:
            self._unanswered.refused(None)
            return None
        return self._blamed(kind_of(error))

    def _blamed(self, kind: str | None) -> object:
        if kind == _UPDATE and not self._names_events and self._offers.is_next(OFFER):
            self._undo(OFFER)
            return OFFER
        if kind is not None and kind not in ANSWERED:
            return None if self._names_events else self._askers.latest(kind)
        asked = self._unanswered.blamed(kind, unnamed=self._names_events)
        if asked is None:
            return None
        event_id = asked.get("event_id")
        if asked["type"] == _UPDATE:
            self._undo(event_id)
        return event_id

    def _undo(self, event_id: object) -> None:
        """An update was refused."""
        self._offers.refused(event_id)
        self._prompts.refused(event_id)


def kind_of(error: Json) -> str | None:
    """Return the type of client event that an error is about, None if it does not show."""
    code, param = str(error.get("code")), str(error.get("param"))
    if code in _BY_CODE:
        return _BY_CODE[code]
    for start, kind in _BY_CODES_START.items():
        if code.startswith(start):
            return kind
    return _BY_PLACE.get(param.partition(".")[0].partition("[")[0])


def body_of(event: Json) -> Json:
    """Return an `error` event's body in the contract's form, itself if it has that."""
    sent = event.get("error")
    body: dict[str, Any] = {**sent} if isinstance(sent, Mapping) else {"message": sent}
    if isinstance(sent, Mapping) and all(isinstance(sent.get(n), str) for n in ("type", "message")):
        return sent
    message = body.get("message") or event.get("message")
    said = message if isinstance(message, str) else "The model's endpoint reported an error."
    code = body.get("code", event.get("code"))
    kind = body.get("type")
    return {
        "type": kind if isinstance(kind, str) else "server_error",
        "code": code if isinstance(code, str) else None,
        "message": said,
        "param": body.get("param"),
        "event_id": body.get("event_id"),
    }
