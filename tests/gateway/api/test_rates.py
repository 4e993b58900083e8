"""Rate limits in REST answers: counted, shown, refused (CONTRACT 3)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from gateway.app import build_app, build_services
from gateway.limits.memory import MemoryRateLimits
from gateway.settings import Settings
from gateway.telemetry import metrics
from tests.gateway.api.asgi import Answer, ask

SECRETS = "/v1/realtime/client_secrets"
HEADERS = {
    f"x-ratelimit-{what}-{resource}"
    for what in ("limit", "remaining", "reset")
    for resource in ("requests", "tokens")
}


class House:
    """The application with room for three requests a minute, at a standing clock."""

    def __init__(self, app: Starlette, key: str) -> None:
        self.app = app
        self.key = key
        self.now_s = 50.0

    async def get(self, path: str, *, key: str | None = None) -> Answer:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return await ask(self.app, "GET", path, headers=headers)

    async def post(self, body: Any) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.key}"}
        return await ask(self.app, "POST", SECRETS, headers=headers, body=[data])


@pytest.fixture
async def house(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "voiceengine.db").write_bytes(migrated_sqlite.read_bytes())
    settings = Settings(data_dir=tmp_path, database_url=None, speech=False, skills=False)
    services, embedded = build_services(settings)
    limits = MemoryRateLimits(
        requests_per_minute=3, tokens_per_minute=1_000, monotonic_s=lambda: made.now_s
    )
    services = replace(services, limits=limits)
    await services.identity.ensure_default_project()
    key = await services.identity.create_key("test")
    made = House(build_app(services, embedded), key)
    yield made
    await services.database.close()


async def test_answer_shows_what_is_left(house: House) -> None:
    """Six headers, counted: the request itself is one of three."""
    answer = await house.post({})
    assert answer.status == 200
    shown = {name: value for name, value in answer.headers.items() if name in HEADERS}
    assert shown == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "20s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "1000",
        "x-ratelimit-reset-tokens": "0s",
    }
    house.now_s += 5
    assert (await house.post({})).headers["x-ratelimit-reset-requests"] == "35s"


@pytest.mark.parametrize("body", [b"{", {"session": 5}, {"bogus": 1}])
async def test_fault_counts_and_shows_it(house: House, body: Any) -> None:
    """Bad requests are requests."""
    answer = await house.post(body)
    assert answer.status == 400
    assert answer.headers["x-ratelimit-remaining-requests"] == "2"


async def test_models_are_counted_apart(house: House) -> None:
    """By the model in the body or the path; no model, or an unknown one, is the default's."""
    session = {"type": "realtime", "model": "gpt-realtime-mini"}
    mini = await house.post({"session": session})
    shown = await house.get("/v1/models/gpt-realtime-mini")
    listed = await house.get("/v1/models")
    unknown = await house.get("/v1/models/nope")
    left = [it.headers["x-ratelimit-remaining-requests"] for it in (mini, shown, listed, unknown)]
    assert left == ["2", "1", "2", "1"]


async def test_one_request_too_many_is_429(house: House) -> None:
    """The envelope, the platform's sentence, and when to come again in both forms."""
    before = metrics.RATE_LIMITED.labels("rest", "requests")._value.get()
    for _ in range(3):
        await house.post({})
    answer = await house.post({})
    assert answer.status == 429
    assert answer.json()["error"] == {
        "message": "Rate limit reached for gpt-realtime in organization org-local on requests "
        "per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert answer.headers["retry-after"] == "20"
    assert answer.headers["retry-after-ms"] == "20000"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.headers["x-request-id"].startswith("req_")
    assert metrics.RATE_LIMITED.labels("rest", "requests")._value.get() == before + 1
    house.now_s += 20.5
    assert (await house.post({})).status == 200


async def test_stranger_is_shown_nothing(house: House) -> None:
    """Without a project there is nothing to count for."""
    answer = await house.get("/v1/models", key="sk-wrong")
    assert answer.status == 401
    assert not HEADERS & answer.headers.keys()


async def test_probes_are_not_counted(house: House) -> None:
    """Whoever watches the server is no client of a model."""
    assert not HEADERS & (await house.get("/healthz")).headers.keys()
