"""Builds the engines of declared models from the parts that this process has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.engines.chat.brain import ChatBrain, ChatEndpoint
from gateway.engines.chat.configured import declared_endpoint
from gateway.engines.echo import EchoBrain
from gateway.engines.embedded import Embedded
from gateway.engines.engine import Engine, Terms
from gateway.engines.fallback import FallbackBrain, Health
from gateway.engines.relay.endpoint import relay_endpoint
from gateway.engines.routed import RoutedBrain, Way
from gateway.engines.translation import missing_part, translating
from gateway.settings import DeclaredModel, Settings
from realtime.ports import Brain, IdSource

NO_CHAT = "it asks a chat model and declares none, nor is VOICEENGINE_CHAT_URL set"
NO_TOOL = "it has `skills_tool` without a chat model: VOICEENGINE_CHAT_URL is not set"
Known = Mapping[str, Engine]


class ModelBuilder:
    """Makes engines; chat endpoints are kept, so that one is shared and closed once."""

    def __init__(
        self,
        embedded: Embedded,
        settings: Settings,
        *,
        ids: IdSource,
        monotonic_s: Callable[[], float],
    ) -> None:
        self.embedded = embedded
        self.settings = settings
        self.monotonic_s = monotonic_s
        self._ids = ids
        self._chats: dict[ChatEndpoint, ChatBrain] = {}

    def build(
        self, declared: Mapping[str, DeclaredModel], known: Known
    ) -> tuple[dict[str, Engine], dict[str, str]]:
        """Return the engines by name, and why each of the others could not be built.

        `known` are the names that routes and fallbacks may use besides those declared.
        """
        engines: dict[str, Engine] = {}
        faults: dict[str, str] = {}
        for name in declared:
            try:
                engines[name] = _Build(self, declared, known).engine(name)
            except ValueError as error:
                faults[name] = str(error)
        return engines, faults

    def chat(self, model: DeclaredModel) -> Brain:
        """Return the chat model that a declaration asks.

        Raises:
            ValueError: there is none, or its key is not there.
        """
        if model.chat is None:
            if self.embedded.chat is None:
                raise ValueError(NO_CHAT)
            return self.embedded.chat
        endpoint = declared_endpoint(model.chat, self.settings)
        if endpoint not in self._chats:
            self._chats[endpoint] = ChatBrain(endpoint, ids=self._ids)
        return self._chats[endpoint]

    async def close(self) -> None:
        """Close every chat endpoint."""
        for chat in self._chats.values():
            await chat.close()


class _Build:
    """One model, with those that it leads to."""

    def __init__(
        self, builder: ModelBuilder, declared: Mapping[str, DeclaredModel], known: Known
    ) -> None:
        self._builder = builder
        self._declared = declared
        self._known = known
        self._path: list[str] = []

    def engine(self, name: str) -> Engine:
        """Return a model's engine.

        Raises:
            ValueError: it cannot be built; says why.
        """
        model = self._declared.get(name)
        if model is None:
            if name not in self._known:
                raise ValueError(f"there is no model {name!r}")
            return self._known[name]
        if name in self._path:
            raise ValueError(f"routes and fallbacks go in a circle: {' -> '.join(self._path)}")
        self._path.append(name)
        if model.kind == "relay":
            engine = self._relay(model)
        elif model.kind == "translation":
            engine = self._translation(name, model)
        else:
            engine = self._ours(name, model)
        self._path.pop()
        return engine

    def _relay(self, model: DeclaredModel) -> Engine:
        if model.relay is None:
            raise ValueError("a relay needs an endpoint")
        return Engine(
            name="relay",
            brain=EchoBrain(),
            relay=relay_endpoint(model.relay.setting(), self._builder.settings),
            terms=_terms(model),
            fallback=self.engine(model.fallback) if model.fallback else None,
        )

    def _translation(self, name: str, model: DeclaredModel) -> Engine:
        base = self._base(name, model)
        missing = missing_part(base)
        if missing is not None:
            raise ValueError(f"it translates, and this gateway has no {missing}")
        brain = self._builder.chat(model)
        if model.fallback is not None:
            other = self.engine(model.fallback)
            if not other.translates:
                raise ValueError(f"{model.fallback!r} does not translate")
            brain = FallbackBrain(
                brain, other.brain, health=Health(name, self._builder.monotonic_s)
            )
        return _voiced(replace(translating(base, brain), terms=_terms(model)))

    def _ours(self, name: str, model: DeclaredModel) -> Engine:
        base = self._base(name, model)
        terms = _terms(model)
        if model.skills_tool and model.kind == "default" and self._builder.embedded.chat is None:
            raise ValueError(NO_TOOL)
        if model.asks_skills:
            self._builder.embedded.require_skills()
        if model.skills_tool is None and model.kind == "default":
            terms = replace(terms, skills_tool=base.terms.skills_tool and "tools" in terms.features)
        return _voiced(replace(base, name=model.kind, brain=self._brain(name, model), terms=terms))

    def _base(self, name: str, model: DeclaredModel) -> Engine:
        if model.kind == "echo":
            return self._known["echo"]
        embedded, base = self._builder.embedded, self._builder.embedded.engine()
        self._builder.settings.check_model(name, model)
        if model.recogniser is not None:
            base = replace(base, recogniser=embedded.recogniser(model.recogniser))
        if model.synthesiser is not None or model.voices:
            voice = embedded.synthesiser(model.synthesiser or "default", model.voices)
            base = replace(base, synthesiser=voice)
        return base

    def _brain(self, name: str, model: DeclaredModel) -> Brain:
        brain = self._kind(model)
        if model.routes:
            ways = [(route, self._other(route.to)) for route in model.routes]
            brain = RoutedBrain(brain, [Way(r, to.brain, to.terms.features) for r, to in ways])
        if model.fallback is not None:
            health, other = Health(name, self._builder.monotonic_s), self._other(model.fallback)
            brain = FallbackBrain(brain, other.brain, health=health, features=other.terms.features)
        return brain

    def _kind(self, model: DeclaredModel) -> Brain:
        embedded = self._builder.embedded
        match model.kind:
            case "skills":
                return embedded.skills_alone()
            case "chat":
                return self._builder.chat(model)
            case "skills_then_chat":
                return embedded.skills_before(self._builder.chat(model))
            case "echo":
                return self._known["echo"].brain
            case "builtin":
                return embedded.builtin()
            case _:
                return embedded.engine().brain

    def _other(self, name: str) -> Engine:
        engine = self.engine(name)
        if engine.relay is not None:
            raise ValueError(
                f"{name!r} is a relay, whose answers cannot stand in another's session"
            )
        if engine.translates:
            raise ValueError(f"{name!r} translates and does not answer")
        return engine


def _voiced(engine: Engine) -> Engine:
    voice, voices = engine.terms.voice, engine.traits().voices
    if voice is not None and voice not in voices:
        raise ValueError(f"voice {voice!r} is none of {', '.join(voices)}")
    return engine


def _terms(model: DeclaredModel) -> Terms:
    return Terms(
        instructions=model.instructions,
        voice=model.voice,
        context_tokens=model.limits.context_tokens,
        session_minutes=model.limits.session_minutes,
        most_sessions=model.limits.sessions,
        features=model.features,
        skills_tool=bool(model.skills_tool),
        prices=model.prices,
    )
