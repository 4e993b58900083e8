"""Which engine serves which model name (CONTRACT 17; DECISIONS 1.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.engines.engine import Engine
from gateway.engines.relay.endpoint import RelayEndpoint
from realtime.session.config import is_reasoning_model
from realtime.turns.models import MODELS

REALTIME_MODELS = (
    "gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-1.5", "gpt-realtime-2",
    "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06", "gpt-realtime-mini-2025-12-15",
    "gpt-4o-realtime-preview", "gpt-4o-realtime-preview-2024-10-01",
    "gpt-4o-realtime-preview-2024-12-17", "gpt-4o-realtime-preview-2025-06-03",
    "gpt-4o-mini-realtime-preview", "gpt-4o-mini-realtime-preview-2024-12-17",
    "gpt-audio-1.5", "gpt-audio-mini", "gpt-audio-mini-2025-10-06", "gpt-audio-mini-2025-12-15",
)  # fmt: skip
"""Names that SDKs send; all resolve at once, or SDK defaults fail."""

TRANSCRIPTION_MODELS = tuple(MODELS)
"""Names that the contract lists; an operator may map them to recognisers and add more."""

DEFAULT_MODEL = "gpt-realtime"
ECHO_MODEL = "echo"


def context_tokens(model: str) -> int:
    """Return what a model reads and writes at once, by its name (CONTRACT 17)."""
    return 128_000 if is_reasoning_model(model) else 32_000


class Caller(Protocol):
    """Who asks: a project, with a key that may be held to some names."""

    @property
    def project_id(self) -> str:
        """The project."""

    @property
    def models(self) -> frozenset[str] | None:
        """Names that the key may use, None for every one."""


class Registry:
    """Model names and their engines; a project's own come before the installation's.

    A key's list of names holds for models that answer. Transcription models are parts of
    a session and known to every key.
    """

    def __init__(
        self, default: Engine, *, echo: Engine, relays: Mapping[str, Engine] | None = None
    ) -> None:
        self._default = default
        self._engines = dict.fromkeys(REALTIME_MODELS, default)
        self._engines[ECHO_MODEL] = echo
        self._engines.update(relays or {})
        self._projects: dict[str, Mapping[str, Engine]] = {}

    @property
    def engines(self) -> Mapping[str, Engine]:
        """Every name that does not belong to a project."""
        return self._engines

    def declare(self, engines: Mapping[str, Engine]) -> None:
        """Add models of the whole installation; one of a known name takes its place."""
        self._engines.update(engines)

    def declare_projects(self, projects: Mapping[str, Mapping[str, Engine]]) -> None:
        """Set the models of each project, in place of those before; live sessions keep theirs."""
        self._projects = dict(projects)

    def endpoints(self) -> set[RelayEndpoint]:
        """Return where relayed models run, those of every project among them."""
        known = (self._engines, *self._projects.values())
        return {engine.relay for engines in known for engine in engines.values() if engine.relay}

    def longest_minutes(self) -> int:
        """Return the longest session that a model's declaration lets anybody have; 0 for none."""
        known = (self._engines, *self._projects.values())
        terms = (engine.terms for engines in known for engine in engines.values())
        return max((one.session_minutes or 0 for one in terms), default=0)

    def resolve(self, model: str, caller: Caller) -> Engine | None:
        """Return the engine of a realtime model, None for a name unknown or not allowed."""
        found = self._of(caller).get(model)
        return None if found is None or found.translates else found

    def translator(self, model: str, caller: Caller) -> Engine | None:
        """Return the engine of a declared translation model, None for any other name."""
        found = self._of(caller).get(model)
        return found if found is not None and found.translates else None

    def _of(self, caller: Caller) -> dict[str, Engine]:
        """Return what a caller may use by name."""
        known = {**self._engines, **self._projects.get(caller.project_id, {})}
        if caller.models is None:
            return known
        return {name: engine for name, engine in known.items() if name in caller.models}

    def names(self, caller: Caller) -> tuple[str, ...]:
        """Return every model name that a caller may use, transcription models included."""
        talk = (name for name, engine in self._of(caller).items() if not engine.translates)
        return tuple(dict.fromkeys((*talk, *self.transcription_models())))

    def translator_names(self, caller: Caller) -> tuple[str, ...]:
        """Return the names of declared translation models that a caller may use."""
        return tuple(name for name, engine in self._of(caller).items() if engine.translates)

    def transcription_models(self) -> tuple[str, ...]:
        """Return the names of transcription models, the operator's own included."""
        return self._default.transcription_models

    @property
    def transcriber(self) -> Engine:
        """The engine of sessions that only transcribe."""
        return self._default
