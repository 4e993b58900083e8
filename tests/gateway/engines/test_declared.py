"""Models from a file and from rows to engines and names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from gateway.app import build_services
from gateway.engines.registry import Caller
from gateway.identity.principal import Principal
from gateway.identity.service import DEFAULT_PROJECT
from gateway.services import Services
from gateway.settings import Prices, Settings
from gateway.settings.models import models_in
from gateway.store import migrate
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
        wanted = Settings(data_dir=tmp_path, speech=False, skills=False, models=file, **settings)
        return build_services(wanted)[0]

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
