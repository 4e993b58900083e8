"""Commands to a client's own interface, and what the interface tells back (ADR 0019).

An action is a function tool of the client's whose name is on the operator's
list: its arguments are held to the operator's schema and bound before anybody
sees the call. A context update is a system message that holds the JSON object
`{"context": name, "data": {…}}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.settings import ClientAction, ContextUpdate
from gateway.tools.ports import object_of
from gateway.tools.schemas import finding, validator
from realtime.engine import CLIENT_TOOL, FunctionSpec, ToolCall, ToolRoute
from realtime.errors import InvalidValue
from realtime.events.items import SystemMessageIn

INTERFACE_LABEL = "interface"
"""Whose call the user is asked to confirm."""

CHECK_MS = 5_000
_TEXT = "item.content[0].text"


@dataclass(frozen=True, slots=True)
class ContextTold:
    """A context update that was taken: its name and its data as text."""

    name: str
    data: str


class Actions:
    """The lists, of the whole process."""

    def __init__(
        self, actions: Sequence[ClientAction], contexts: Sequence[ContextUpdate], *, only: bool
    ) -> None:
        self.only = only
        """Clients may have no function besides, and holders of client secrets no system message."""
        self._actions = {
            action.name: (action, validator(action.parameters, of=f"parameters of {action.name}"))
            for action in actions
        }
        self._contexts = {
            context.name: (context, validator(context.data, of=f"data of {context.name}"))
            for context in contexts
        }

    def route(self, name: str) -> ToolRoute:
        """Return the way of a client's function, which is on the list or is not."""
        known = self._actions.get(name)
        return CLIENT_TOOL if known is None else _function(known[0]).route

    def offered(self, *, project_id: str, model: str) -> tuple[FunctionSpec, ...]:
        """Return the actions that clients of a project's sessions of a model may declare."""
        return tuple(
            _function(action)
            for action, _ in self._actions.values()
            if action.offered_to(project_id=project_id, model=model)
        )

    def finding(self, call: ToolCall) -> str | None:
        """Return what is wrong with a call, in words for the model; None if nothing is."""
        known = self._actions.get(call.name)
        if known is None:
            return "There is no such action."
        action, schema = known
        if len(call.arguments.encode()) > action.most_bytes:
            return f"The arguments are longer than {action.most_bytes} bytes."
        arguments = object_of(call.arguments)
        if arguments is None:
            return "The arguments are no JSON object."
        return finding(schema, arguments)

    def check_result(self, name: str, output: str) -> None:
        """Hold an action's result to its bound.

        Raises:
            InvalidValue: it is too long.
        """
        known = self._actions.get(name)
        if known is not None and len(output.encode()) > known[0].most_bytes:
            raise InvalidValue(
                f"The result of '{name}' is longer than {known[0].most_bytes} bytes.",
                param="item.output",
            )

    def told(
        self, item: SystemMessageIn, *, project_id: str, model: str, strict: bool
    ) -> ContextTold | None:
        """Return the context update that a system message is, None if it is none.

        Args:
            item: the message.
            project_id: whose session it is.
            model: the session's.
            strict: whoever sent it may send nothing but context updates.

        Raises:
            InvalidValue: it is not on the list, or does not fit.
        """
        said = "".join(part.text for part in item.content)
        found = _context(said) if self._contexts or strict else None
        if found is None:
            if strict:
                raise InvalidValue("Only context updates are taken here.", param=_TEXT)
            return None
        name, data = found
        known = self._contexts.get(name)
        if known is None or not known[0].offered_to(project_id=project_id, model=model):
            raise InvalidValue(f"'{name[:64]}' is no context update of this session.", param=_TEXT)
        context, schema = known
        if len(said.encode()) > context.most_bytes:
            raise InvalidValue(f"It is longer than {context.most_bytes} bytes.", param=_TEXT)
        wrong = finding(schema, data)
        if wrong is not None:
            raise InvalidValue(f"The data of '{name}' do not fit: {wrong}", param=_TEXT)
        return ContextTold(name, json.dumps(data, ensure_ascii=False))


def _function(action: ClientAction) -> FunctionSpec:
    return FunctionSpec(
        name=action.name,
        description=action.description,
        parameters=action.parameters,
        route=ToolRoute(
            executor="client",
            shown_as="function_call",
            approval="client" if action.confirm else "not_needed",
            deadline_ms=CHECK_MS,
            server_label=INTERFACE_LABEL,
            checked=True,
        ),
    )


def _context(said: str) -> tuple[str, Any] | None:
    if not said.lstrip().startswith("{"):
        return None
    held = object_of(said)
    if held is None or set(held) - {"data"} != {"context"} or not isinstance(held["context"], str):
        return None
    return held["context"], held.get("data", {})
