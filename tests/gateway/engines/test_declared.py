"""Models from a file and from rows to engines and names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from gateway.app import build_services
from gateway.cli import model_checks
from gateway.engines.builtin import BuiltinBrain
from gateway.engines.registry import Caller
from gateway.identity.principal import Principal
from gateway.identity.service import DEFAULT_PROJECT
from gateway.services import Services
from gateway.settings import Prices, Settings, WebhookTool
from gateway.settings.models import models_in
from gateway.store import migrate
from gateway.tools.session import Tools
from gateway.tools.skills import SkillsTool
from realtime.errors import InvalidModel
from realtime.usage import CachedDetails, InputDetails, OutputDetails, Usage

CHAT = {"url": "http://127.0.0.1:9/v1", "model": "m"}
Build = Callable[..., Services]


def caller(project: str = DEFAULT_PROJECT, models: set[str] | None = None) -> Caller:
    """Return who asks."""
    return Principal(
        kind="api_key",
        organisation_id="org-local",
        project_id=project,
        key_id="k",
        models=None if models is None else frozenset(models),
    )


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds the services of an installation that declares models."""

    def make(models: dict[str, Any], **settings: Any) -> Services:
        file = tmp_path / "models.json"
        file.write_text(json.dumps({"models": models}))
        told = {"data_dir": tmp_path, "speech": False, "skills": False, "models": file}
        return build_services(Settings(**{**told, **settings}))[0]

    return make


def test_declared_name_is_known_with_its_terms(build: Build) -> None:
    """Instructions, voice and limits are what its sessions begin with."""
    model = {
        "kind": "chat", "chat": CHAT, "instructions": "Be brief.", "voice": "marin",
        "limits": {"context_tokens": 4_000, "session_minutes": 5, "sessions": 2},
        "features": ["tools"],
    }  # fmt: skip
    services = build({"support-line": model})
    engine = services.registry.resolve("support-line", caller())
    assert engine is not None
    assert (engine.name, engine.terms.context_tokens) == ("chat", 4_000)
    config = engine.fresh_config(session_id="s", model="support-line")
    assert (config.instructions, config.audio.output.voice) == ("Be brief.", "marin")
    assert engine.traits().features == {"tools"}
    assert "support-line" in services.registry.names(caller())


def test_name_of_the_api_may_be_declared(build: Build) -> None:
    """The declaration takes the place of the default; the others keep it."""
    services = build({"gpt-realtime": {"kind": "echo"}})
    declared = services.registry.resolve("gpt-realtime", caller())
    other = services.registry.resolve("gpt-realtime-mini", caller())
    assert declared is not None
    assert other is not None
    assert (declared.name, other.name) == ("echo", "embedded")


def test_key_held_to_names_sees_and_gets_those_alone(build: Build) -> None:
    """A name it may not use is as unknown as any other; transcription models are parts."""
    registry = build({"house": {"kind": "builtin"}}).registry
    held = caller(models={"house", "nobody"})
    realtime = set(registry.names(held)) - set(registry.transcription_models())
    assert realtime == {"house"}
    assert registry.resolve("house", held) is not None
    assert registry.resolve("gpt-realtime", held) is None
    assert registry.resolve("nobody", held) is None


def test_relay_has_terms_and_a_fallback_of_ours(build: Build, monkeypatch: Any) -> None:
    """Its key comes from where the declaration says."""
    monkeypatch.setenv("UPSTREAM_KEY", "sk-up")
    relay = {"url": "wss://up.example.com/v1/realtime", "api_key": {"env": "UPSTREAM_KEY"}}
    prices = {"per_minute": 0.3}
    services = build(
        {"line": {"kind": "relay", "relay": relay, "prices": prices, "fallback": "echo"}}
    )
    engine = services.registry.resolve("line", caller())
    assert engine is not None
    assert engine.relay is not None
    assert engine.fallback is not None
    assert engine.relay.key == "sk-up"
    assert engine.fallback.name == "echo"
    assert engine.terms.prices == Prices(per_minute=0.3)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({"a": {"kind": "chat"}}, "declares none"),
        ({"a": {"fallback": "b"}}, "there is no model 'b'"),
        ({"a": {"fallback": "b"}, "b": {"routes": [{"to": "a", "words": 1}]}}, "in a circle"),
        ({"a": {"kind": "chat", "chat": {**CHAT, "api_key": {"env": "NOT_SET"}}}}, "no secret"),
        ({"a": {"voice": "nobody"}}, "is none of"),
        ({"a": {"skills_tool": True}}, "VOICEENGINE_SKILLS is false"),
        (
            {
                "a": {"fallback": "b"},
                "b": {"kind": "relay", "relay": {"url": "wss://up.example.com/v1"}},
            },
            "is a relay",
        ),
    ],
)
def test_model_that_cannot_be_built_stops_the_start(
    build: Build, models: dict[str, Any], told: str
) -> None:
    """What a name stands for is known before anybody calls."""
    with pytest.raises(ValueError, match=told):
        build(models)


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "guess"},
        {"kind": "skills", "chat": CHAT},
        {"kind": "relay"},
        {"kind": "relay", "relay": {"url": "https://no-socket"}},
        {"kind": "relay", "relay": {"url": "wss://up/v1"}, "instructions": "x"},
        {"kind": "chat", "chat": {**CHAT, "api_key": "sk-in-clear"}},
        {"kind": "chat", "chat": {**CHAT, "api_key": {}}},
        {"routes": [{"to": "echo"}]},
        {"fallback": "a"},
        {"kind": "skills", "skills_tool": True},
        {"skills_tool": True, "features": ["images"]},
        {"features": ["video"]},
        {"limits": {"sessions": 0}},
        {"recogniser": "nobody"},
        {"synthesiser": "nobody"},
    ],
)
def test_wrong_declaration_is_refused_without_what_it_holds(
    tmp_path: Path, model: dict[str, Any]
) -> None:
    """The settings refuse it; a secret in the wrong place is not printed."""
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": {"a": model}}))
    with pytest.raises(ValidationError) as refused:
        Settings(models=file)
    assert "sk-in-clear" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 129, "-a"])
def test_name_that_no_client_could_ask_for_is_refused(name: str) -> None:
    """A name stands in a URL and in metrics."""
    with pytest.raises(ValueError, match="no name"):
        models_in({"models": {name: {}}})


async def test_rows_of_a_project_are_taken_over_and_given_up(build: Build, tmp_path: Path) -> None:
    """A row takes the file's place for its project alone; one that is wrong is left out."""
    services = build({"line": {"kind": "echo"}})
    migrate_in_thread(services.settings)
    await services.identity.ensure_default_project()
    store = services.catalogue._store
    await store.put(DEFAULT_PROJECT, "line", {"kind": "builtin"})
    await store.put(DEFAULT_PROJECT, "own", {"kind": "echo"})
    await store.put(DEFAULT_PROJECT, "gpt-realtime", {"kind": "chat"})
    with structlog.testing.capture_logs() as logs:
        await services.catalogue.refresh()
    refused = [(log["model"], log["event"]) for log in logs]
    assert refused == [("gpt-realtime", "model_refused")]

    def kind(name: str, project: str = DEFAULT_PROJECT) -> str | None:
        engine = services.registry.resolve(name, caller(project))
        return None if engine is None else engine.name

    assert (kind("line"), kind("own"), kind("gpt-realtime")) == ("builtin", "echo", "embedded")
    assert (kind("line", "proj_2"), kind("own", "proj_2")) == ("echo", None)
    await store.remove(DEFAULT_PROJECT, "line")
    await services.catalogue.refresh()
    assert kind("line") == "echo"
    await services.database.close()


@pytest.mark.parametrize(
    "model", [{"kind": "skills"}, {"kind": "chat", "chat": CHAT, "skills_tool": True}]
)
async def test_model_that_asks_skills_is_refused_where_there_are_none(
    build: Build, tmp_path: Path, model: dict[str, Any]
) -> None:
    """In the file it stops the start, in a row it is logged: never answered by somebody else."""
    with pytest.raises(ValidationError, match="VOICEENGINE_SKILLS is false"):
        build({"line": model})
    with pytest.raises(ValueError, match="The skills are not installed"):
        build({"line": model}, skills=True)
    services = build({}, skills=True)
    migrate_in_thread(services.settings)
    await services.identity.ensure_default_project()
    await services.catalogue._store.put(DEFAULT_PROJECT, "line", model)
    with structlog.testing.capture_logs() as logs:
        await services.catalogue.refresh()
    told = "it asks skills. The skills are not installed."
    assert [(log["event"], log["reason"]) for log in logs] == [("model_refused", told)]
    assert services.registry.resolve("line", caller()) is None
    (finding,) = await asyncio.to_thread(model_checks.check_models, services.settings)
    assert (finding.status, finding.observed) == ("bad", told)
    await services.database.close()


def test_model_that_asks_skills_starts_them(build: Build) -> None:
    """Where a chat model answers by default, nobody else does."""
    more: dict[str, Any] = {
        "skills": True,
        "ovos_bus_url": "ws://127.0.0.1:9/core",
        "chat_url": CHAT["url"],
    }
    assert skills_part(build({}, **more)) == ("absent", "No model asks them.")
    assert skills_part(build({"line": {"kind": "skills"}}, **more))[0] == "warming"
    assert skills_part(build({}, **more, chat_skills_tool=True))[0] == "warming"


def skills_part(services: Services) -> tuple[str, str]:
    """Return where the skills stand, as `/readyz` has it."""
    (part,) = [part for part in services.readiness.report()["parts"] if part["name"] == "skills"]
    return part["state"], part["detail"]


def test_settings_that_cannot_have_their_skills_say_so(build: Build) -> None:
    """In the log, in `/readyz` and by the doctor: the tool is never silently absent."""
    with structlog.testing.capture_logs() as logs:
        services = build({}, chat_url=CHAT["url"], chat_skills_tool=True)
    assert ("skills_missing", ["VOICEENGINE_CHAT_SKILLS_TOOL"]) in [
        (log["event"], log.get("settings")) for log in logs
    ]
    told = "The skills are switched off. VOICEENGINE_CHAT_SKILLS_TOOL cannot be met."
    assert skills_part(services) == ("absent", told)
    chat, finding = model_checks.check_models(services.settings)
    assert (chat.name, chat.status, finding.status) == ("chat", "bad", "bad")
    with structlog.testing.capture_logs() as logs:
        lonely = build({}, chat_skills_tool=True).settings
    assert "setting_without_chat_model" in [log["event"] for log in logs]
    assert [found.status for found in model_checks.check_models(lonely)] == ["warning"]


def test_skills_tool_is_offered_to_models_that_ask_for_it(build: Build) -> None:
    """The setting speaks for names that nobody declared, a declaration for its own."""
    services = build(
        {
            "with": {"kind": "chat", "chat": CHAT, "skills_tool": True},
            "without": {"kind": "chat", "chat": CHAT},
            "usual": {"instructions": "Be brief."},
            "plain": {"features": ["images"]},
            "not": {"skills_tool": False},
            "echoing": {"kind": "echo"},
        },
        skills=True, ovos_bus_url="ws://127.0.0.1:9/core", chat_url=CHAT["url"], chat_skills_tool=True,
    )  # fmt: skip

    def offered(name: str) -> list[str]:
        engine = services.registry.resolve(name, caller())
        assert engine is not None
        found = services.tools.offered(
            project_id=DEFAULT_PROJECT, model=name, skills=engine.terms.skills_tool
        )
        return [tool.name for tool in found]

    asked = ["gpt-realtime", "with", "usual"]
    others = ["without", "plain", "not", "echoing", "echo"]
    assert [name for name in (*asked, *others) if offered(name)] == asked
    assert offered("with") == ["ask_skills"]


def test_no_other_tool_of_the_gateway_takes_a_name_that_is_taken(tmp_path: Path) -> None:
    """Whoever comes second is refused at the start, and by whoever adds tools in code."""
    hook = {"name": "ask_skills", "url": "https://example.com/x"}
    with pytest.raises(ValidationError, match="no webhook may be named 'ask_skills'"):
        Settings(data_dir=tmp_path, tools=[WebhookTool.model_validate(hook)])
    price = WebhookTool(name="price", url="https://example.com/x")
    with pytest.raises(ValidationError, match="two webhooks are named 'price'"):
        Settings(data_dir=tmp_path, tools=[price, price])
    skills = SkillsTool(BuiltinBrain(lambda: ""), timeout_s=1.0)
    tools = Tools([], allowed_origins=[], skills=skills)
    with pytest.raises(ValueError, match="two tools of the gateway are named 'ask_skills'"):
        tools.add(SkillsTool(BuiltinBrain(lambda: ""), timeout_s=1.0))


OPENAI = {"kind": "openai", "url": "http://127.0.0.1:9/v1"}
SPEAKS: dict[str, Any] = {
    "recognisers": {"default": OPENAI, "other": {**OPENAI, "model": "other"}},
    "synthesiser": OPENAI,
    "synthesisers": {"second": {**OPENAI, "model": "second"}},
}


def test_translation_model_has_parts_of_its_own(build: Build) -> None:
    """Recogniser, chat model, voice and terms; it translates and is no model of conversations."""
    declared = {
        "kind": "translation", "chat": CHAT, "recogniser": "other", "synthesiser": "second",
        "voices": {"house": "af_sky"}, "voice": "house", "fallback": "gpt-realtime-translate",
        "prices": {"per_minute": 0.1}, "limits": {"sessions": 2, "session_minutes": 5},
    }  # fmt: skip
    usual = {"kind": "translation", "chat": {**CHAT, "model": "usual"}}
    services = build({"interpreter": declared, "gpt-realtime-translate": usual}, **SPEAKS)
    engine = services.translators.resolve("interpreter", caller())
    other = services.translators.resolve("gpt-realtime-translate", caller())
    assert (engine.name, engine.terms.voice, engine.terms.session_minutes) == (
        "translation",
        "house",
        5,
    )
    assert engine.recogniser is not other.recogniser
    assert engine.synthesiser is not other.synthesiser
    assert services.translators.names(caller()) == ("interpreter", "gpt-realtime-translate")
    assert services.registry.resolve("interpreter", caller()) is None
    assert "interpreter" not in services.registry.names(caller())
    held = caller(models={"gpt-realtime-translate"})
    assert services.translators.names(held) == ("gpt-realtime-translate",)
    with pytest.raises(InvalidModel):
        services.translators.resolve("interpreter", held)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({"a": {"kind": "translation"}}, "declares none"),
        ({"a": {"kind": "translation", "chat": CHAT, "voice": "nobody"}}, "is none of"),
        ({"a": {"kind": "translation", "chat": CHAT, "fallback": "echo"}}, "does not translate"),
        ({"a": {"kind": "translation", "chat": CHAT}, "b": {"fallback": "a"}}, "does not answer"),
        ({"a": {"kind": "translation", "chat": CHAT, "instructions": "x"}}, "no conversation"),
        ({"a": {"kind": "translation", "limits": {"context_tokens": 512}}}, "no conversation"),
    ],
)
def test_translation_model_that_cannot_be_built_stops_the_start(
    build: Build, models: dict[str, Any], told: str
) -> None:
    """As of every declaration."""
    with pytest.raises(ValueError, match=told):
        build(models, **SPEAKS)


def test_translation_model_needs_ears_and_a_voice(build: Build) -> None:
    """What is missing is named."""
    models = {"a": {"kind": "translation", "chat": CHAT}}
    with pytest.raises(ValueError, match="no recogniser"):
        build(models)
    with pytest.raises(ValueError, match="no voice"):
        build(models, recognisers={"default": OPENAI})


def migrate_in_thread(settings: Settings) -> None:
    """Bring the database up to date; Alembic runs a loop of its own."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        thread.submit(migrate.upgrade, settings.database).result()


def test_response_costs_what_its_tokens_cost() -> None:
    """Cached tokens have their own price, or the usual one; a price per million is micros each."""
    given = InputDetails(
        text_tokens=1_000,
        audio_tokens=500,
        cached_tokens=400,
        cached_tokens_details=CachedDetails(text_tokens=400),
    )
    usage = Usage.of(given, OutputDetails(text_tokens=10, audio_tokens=20))
    prices = Prices(text_in=4, text_cached=0.4, audio_in=32, text_out=16, audio_out=64)
    assert prices.of_response(usage) == 600 * 4 + 160 + 500 * 32 + 160 + 20 * 64
    assert Prices(text_in=4).of_response(usage) == 4_000
    assert Prices(per_minute=0.06).of_time(90) == 90_000
