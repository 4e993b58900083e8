"""Stored prompts: a template, what a client fills in, and what comes of it (CONTRACT 6.11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from realtime.errors import InvalidValue, MissingParameter, UnknownParameter, WireFault
from realtime.events.base import Incoming
from realtime.events.client import (
    ClientEvent,
    ResponseCreate,
    ResponseParams,
    SessionUpdate,
)
from realtime.events.session import (
    AudioIn,
    AudioOutputIn,
    PromptIn,
    RealtimeSessionIn,
    ResponseAudioIn,
    ResponseAudioOutputIn,
    SessionIn,
    ToolIn,
    ToolsIn,
)

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


class PromptNotFound(WireFault):
    """A prompt or version that the project does not have; the code is our choice."""

    code = "prompt_not_found"
    status = 404
    close_code = 4000

    def __init__(self, wanted: PromptIn, *, root: str) -> None:
        version = "" if wanted.version is None else f" and version '{wanted.version}'"
        super().__init__(
            f"Prompt with id '{wanted.id}'{version} not found.", param=f"{root}.prompt.id"
        )


class PromptBody(Incoming):
    """What a version of a prompt says; `variables` holds the values of those left out."""

    instructions: str | None = None
    voice: str | None = None
    tools: ToolsIn | None = None
    variables: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """A version of a prompt; `{{name}}` in the instructions stands for a variable."""

    instructions: str | None = None
    voice: str | None = None
    tools: list[ToolIn] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> PromptTemplate:
        """Return the template of a stored body.

        Raises:
            pydantic.ValidationError: it is none.
        """
        found = PromptBody.model_validate(body)
        return cls(
            instructions=found.instructions,
            voice=found.voice,
            tools=found.tools,
            variables=found.variables,
        )

    def names(self) -> set[str]:
        """Return the names of the variables."""
        return {*_VARIABLE.findall(self.instructions or ""), *self.variables}

    def filled(self, wanted: PromptIn, *, root: str) -> Prompted:
        """Return what the prompt supplies with a client's variables; `root` is for faults.

        Raises:
            WireFault: a variable is missing, unknown or no text.
        """
        param = f"{root}.prompt.variables"
        values = dict(self.variables)
        known = self.names()
        for name, value in (wanted.variables or {}).items():
            if name not in known:
                raise UnknownParameter(f"{param}.{name}")
            values[name] = _text(value, param=f"{param}.{name}")
        for name in sorted(known - values.keys()):
            raise MissingParameter(f"{param}.{name}")
        instructions = self.instructions
        if instructions is not None:
            instructions = _VARIABLE.sub(lambda found: values[found[1]], instructions)
        return Prompted(instructions=instructions, voice=self.voice, tools=self.tools)


def _text(value: object, *, param: str) -> str:
    if isinstance(value, Mapping) and value.get("type") == "input_text":
        value = value.get("text")
    if not isinstance(value, str):
        raise InvalidValue("Only text can stand for a variable of a prompt.", param=param)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """What a prompt supplies, its variables filled in."""

    instructions: str | None = None
    voice: str | None = None
    tools: list[ToolIn] | None = None

    def in_session(self, patch: RealtimeSessionIn, *, has_spoken: bool) -> RealtimeSessionIn:
        """Return an update with what it does not say itself (CONTRACT 6.11).

        A voice that has spoken is kept: a persona may change within a session.
        """
        update: dict[str, Any] = {
            name: value
            for name, value in (("instructions", self.instructions), ("tools", self.tools))
            if value is not None and not patch.has(name)
        }
        audio = patch.audio or AudioIn()
        output = audio.output or AudioOutputIn()
        if self.voice is not None and not has_spoken and not output.has("voice"):
            output = output.model_copy(update={"voice": self.voice})
            update["audio"] = audio.model_copy(update={"output": output})
        return patch.model_copy(update=update)

    def in_response(self, params: ResponseParams, *, has_spoken: bool) -> ResponseParams:
        """Return a response's wishes with what they do not say themselves; see `in_session`."""
        update: dict[str, Any] = {}
        if self.instructions is not None and params.instructions is None:
            update["instructions"] = self.instructions
        if self.tools is not None and not params.has("tools"):
            update["tools"] = self.tools
        audio = params.audio or ResponseAudioIn()
        output = audio.output or ResponseAudioOutputIn()
        if self.voice is not None and not has_spoken and not output.has("voice"):
            output = output.model_copy(update={"voice": self.voice})
            update["audio"] = audio.model_copy(update={"output": output})
        return params.model_copy(update=update)


def prompt_of_session(session: SessionIn) -> PromptIn | None:
    """Return the prompt that a session asks for."""
    return session.prompt if isinstance(session, RealtimeSessionIn) else None


def prompt_of_event(event: ClientEvent) -> tuple[PromptIn, str] | None:
    """Return the prompt that an event asks for, and where in it."""
    if isinstance(event, SessionUpdate):
        wanted = prompt_of_session(event.session)
        return None if wanted is None else (wanted, "session")
    if isinstance(event, ResponseCreate) and event.response is not None:
        wanted = event.response.prompt
        return None if wanted is None else (wanted, "response")
    return None


def prompted(wanted: PromptIn, template: PromptTemplate | None, *, root: str) -> Prompted:
    """Return what a prompt supplies.

    Raises:
        PromptNotFound: there is no template of that name.
        WireFault: its variables do not fit.
    """
    if template is None:
        raise PromptNotFound(wanted, root=root)
    return template.filled(wanted, root=root)
