"""Models as an operator declares them: what answers behind a name, and on which terms."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, model_validator

from gateway.settings.engines import RelaySetting
from realtime.session.features import FEATURES, Feature
from realtime.usage import Usage

Kind: TypeAlias = Literal[
    "default", "skills", "chat", "skills_then_chat", "relay", "echo", "builtin", "translation"
]
ASK_CHAT = ("chat", "skills_then_chat", "translation")
"""Kinds whose `chat` endpoint answers."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"


class _Declared(BaseModel):
    # What is wrong with a declaration is printed, and it may hold what was meant as a reference.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SecretReference(_Declared):
    """Where a secret is; a declaration itself never holds one."""

    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is referred to by one of `env` and `file`")
        return self

    def read(self) -> SecretStr:
        """Return the secret.

        Raises:
            ValueError: it is not there.
        """
        if self.file is not None:
            try:
                found = self.file.read_text().strip()
            except OSError as error:
                raise ValueError(f"{self.file} cannot be read: {error.strerror}") from None
        else:
            found = os.environ.get(self.env or "", "").strip()
        if not found:
            raise ValueError(f"{self.file or self.env} holds no secret")
        return SecretStr(found)


class ChatDeclared(_Declared):
    """A chat-completions endpoint; `url` is the base, up to `/v1`, OpenAI's by default.

    Its query, if it has one, goes with each request.
    """

    url: str | None = Field(None, pattern=r"^https?://[^/\s]+")
    model: str
    api_key: SecretReference | None = None
    key_header: Literal["authorization", "api-key"] = "authorization"
    first_token_s: float | None = Field(None, gt=0)
    next_token_s: float | None = Field(None, gt=0)


class RelayDeclared(BaseModel):
    """The fields of `RelaySetting`, with a reference for the key."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    api_key: SecretReference | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        RelaySetting.model_validate(self.model_extra)
        return self

    def setting(self) -> RelaySetting:
        """Return it with the key.

        Raises:
            ValueError: the key is not there.
        """
        key = None if self.api_key is None else self.api_key.read()
        return RelaySetting.model_validate({**(self.model_extra or {}), "api_key": key})


class Prices(_Declared):
    """In one currency, per million tokens, and per minute of a session."""

    text_in: float = Field(0.0, ge=0)
    text_cached: float | None = Field(None, ge=0)
    text_out: float = Field(0.0, ge=0)
    audio_in: float = Field(0.0, ge=0)
    audio_cached: float | None = Field(None, ge=0)
    audio_out: float = Field(0.0, ge=0)
    image_in: float = Field(0.0, ge=0)
    per_minute: float = Field(0.0, ge=0)

    def of_response(self, usage: Usage) -> int:
        """Return what a response costs, in millionths of the currency.

        A price per million tokens is a millionth's price of one token.
        """
        read, cached = usage.input_token_details, usage.input_token_details.cached_tokens_details
        wrote = usage.output_token_details
        text_cached = self.text_in if self.text_cached is None else self.text_cached
        audio_cached = self.audio_in if self.audio_cached is None else self.audio_cached
        cost = (
            (read.text_tokens - cached.text_tokens) * self.text_in
            + cached.text_tokens * text_cached
            + (read.audio_tokens - cached.audio_tokens) * self.audio_in
            + cached.audio_tokens * audio_cached
            + read.image_tokens * self.image_in
            + wrote.text_tokens * self.text_out
            + wrote.audio_tokens * self.audio_out
        )
        return round(cost)

    def of_time(self, seconds: float) -> int:
        """Return what the time of a session costs, in millionths of the currency."""
        return round(max(seconds, 0.0) / 60 * self.per_minute * 1_000_000)


class ModelLimits(_Declared):
    """What bounds the sessions of a model; None where the installation's bound holds."""

    context_tokens: int | None = Field(None, ge=256)
    session_minutes: int | None = Field(None, ge=1)
    sessions: int | None = Field(None, ge=1)
    """Of a project at a time."""


class Route(_Declared):
    """Another model's brain for the responses that meet every condition stated here."""

    to: str
    items: int | None = Field(None, ge=1)
    """The conversation has at least so many items."""
    words: int | None = Field(None, ge=1)
    """The last words of the user are at least so many."""
    tools: bool | None = None
    """There are functions to call, or none."""
    images: bool | None = None
    """The conversation holds images, or none."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if all(value is None for value in (self.items, self.words, self.tools, self.images)):
            raise ValueError("a route needs a condition: items, words, tools or images")
        return self


class DeclaredModel(_Declared):
    """What a client's model name stands for."""

    kind: Kind = "default"
    chat: ChatDeclared | None = None
    relay: RelayDeclared | None = None
    instructions: str | None = None
    voice: str | None = None
    voices: dict[str, str] = Field(default_factory=dict)
    recogniser: str | None = None
    synthesiser: str | None = None
    prices: Prices | None = None
    limits: ModelLimits = ModelLimits()
    features: frozenset[Feature] = frozenset(FEATURES)
    skills_tool: bool | None = None
    """It has the tool `ask_skills`; None: as the settings say for kind `default`, else not."""
    routes: tuple[Route, ...] = ()
    fallback: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.chat is not None and self.kind not in ASK_CHAT:
            raise ValueError(f"a model of kind {self.kind} asks no `chat` endpoint")
        if (self.relay is not None) != (self.kind == "relay"):
            raise ValueError("a model of kind relay has a `relay` endpoint, no other has")
        if self.skills_tool and self.kind not in ("default", "chat", "skills_then_chat"):
            raise ValueError(f"a model of kind {self.kind} asks no chat model, so no `skills_tool`")
        if self.skills_tool and "tools" not in self.features:
            raise ValueError("`skills_tool` needs the feature `tools`")
        ours = {
            "instructions", "voice", "voices", "recogniser", "synthesiser", "routes", "features",
            "skills_tool",
        }  # fmt: skip
        if self.kind == "relay" and (odd := sorted(ours & self.model_fields_set)):
            raise ValueError(f"a relay's sessions are the endpoint's own: no {', '.join(odd)}")
        if self.kind == "relay" and self.limits.context_tokens is not None:
            raise ValueError("a relay's conversation is the endpoint's own: no context_tokens")
        no_talk = {"instructions", "routes", "features", "skills_tool"}
        if self.kind == "translation" and (odd := sorted(no_talk & self.model_fields_set)):
            raise ValueError(f"a translation is no conversation: no {', '.join(odd)}")
        if self.kind == "translation" and self.limits.context_tokens is not None:
            raise ValueError("a translation remembers no conversation: no context_tokens")
        return self

    @property
    def asks_skills(self) -> bool:
        """There must be skills for it."""
        return bool(self.skills_tool) or self.kind in ("skills", "skills_then_chat")


class _File(_Declared):
    models: dict[str, DeclaredModel] = Field(default_factory=dict)


_FILE = TypeAdapter(_File)


def read_models(path: Path) -> dict[str, DeclaredModel]:
    """Return the models of a TOML or JSON file, by the names that clients use.

    Raises:
        ValueError: the file cannot be read, or is wrong.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    return models_in(tomllib.loads(text) if path.suffix == ".toml" else json.loads(text))


def models_in(document: Mapping[str, Any]) -> dict[str, DeclaredModel]:
    """Return the models under `models`.

    Raises:
        ValueError: something is wrong with one.
    """
    # Through JSON, where an array may be a set; Python's own list may not.
    found = _FILE.validate_json(json.dumps(document)).models
    for name, model in found.items():
        check_name(name)
        named = {model.fallback, *(route.to for route in model.routes)}
        if name in named:
            raise ValueError(f"model {name!r} names itself as its route or fallback")
    return found


def check_name(name: str) -> None:
    """Refuse a name that no client could ask for.

    Raises:
        ValueError: it is one.
    """
    if re.fullmatch(NAME, name) is None:
        raise ValueError(f"{name!r} is no name for a model")
