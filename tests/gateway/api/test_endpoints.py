"""Endpoints in the composed application, without a server around it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from gateway.app import build_app, build_services
from gateway.services import Services
from gateway.sessions.admission import Allowed, Denied, Verdict
from gateway.settings import Settings
from gateway.telemetry import metrics
from tests.gateway.api.asgi import Answer, ask

SECRETS = "/v1/realtime/client_secrets"


@dataclass
class Recording:
    """An admission that notes what it is asked."""

    verdict: Verdict
    asked: list[tuple[str, dict[str, Any]]]

    def admit_nowait(self, action: str, facts: Mapping[str, Any]) -> Verdict | None:
        return None

    async def admit(self, action: str, facts: Mapping[str, Any]) -> Verdict:
        self.asked.append((action, dict(facts)))
        return self.verdict


@dataclass
class House:
    """The application and what is behind it."""

    app: Starlette
    services: Services
    admission: Recording
    key: str

    async def post(self, body: Any, *, key: str | None = None, **headers: str) -> Answer:
        """Ask for a client secret."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"authorization": f"Bearer {key or self.key}", **headers}
        return await ask(self.app, "POST", SECRETS, headers=given, body=[data])


@pytest.fixture
async def house(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[House]:
    """The application on a database of its own."""
    (tmp_path / "voiceengine.db").write_bytes(migrated_sqlite.read_bytes())
    settings = Settings(data_dir=tmp_path, database_url=None, speech=False, skills=False)
    services, embedded = build_services(settings)
    admission = Recording(Allowed(), [])
    services = replace(services, admission=admission)
    await services.identity.ensure_default_project()
    key = await services.identity.create_key("test")
    yield House(build_app(services, embedded), services, admission, key)
    await services.database.close()


class TestAdmission:
    """Minting is an action that policy decides on."""

    async def test_admission_is_asked_with_key_and_model(self, house: House) -> None:
        """It knows who asks and for which model."""
        await house.post({"session": {"type": "realtime", "model": "gpt-realtime-2"}})
        ((action, facts),) = house.admission.asked
        assert action == "client_secrets.create"
        assert facts["model"] == "gpt-realtime-2"
        assert facts["kind"] == "api_key"
        assert facts["project_id"] == "proj_local"

    async def test_denial_is_403_with_its_remedy(self, house: House) -> None:
        """`policy_denied`, in the envelope, counted by reason (DECISIONS 2.2)."""
        house.admission.verdict = Denied("outside_hours", "Try again at nine.", "d1")
        answer = await house.post({})
        error = answer.json()["error"]
        assert (answer.status, error["code"]) == (403, "policy_denied")
        assert "outside_hours" in error["message"]
        assert "Try again at nine." in error["message"]
        assert metrics.DENIALS.labels("outside_hours")._value.get() == 1

    async def test_faulty_session_is_refused_before_policy(self, house: House) -> None:
        """Policy sees only what could be done."""
        answer = await house.post({"session": {"type": "realtime", "bogus": 1}})
        assert answer.status == 400
        assert house.admission.asked == []


class TestClientSecretBodies:
    """Faults of the body (CONTRACT 3.1, 16)."""

    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            ({"session": {}}, "missing_required_parameter", "session.type"),
            ({"session": {"type": "nope"}}, "invalid_value", "session.type"),
            ({"session": 5}, "invalid_type", "session"),
            ({"bogus": 1}, "unknown_parameter", "bogus"),
            ({"expires_after": {"anchor": "never"}}, "invalid_value", "expires_after.anchor"),
            ({"expires_after": {"seconds": "60"}}, "invalid_type", "expires_after.seconds"),
            ({"session": {"type": "realtime", "model": "gpt-nope"}}, "invalid_model", None),
            (
                {"session": {"type": "realtime", "audio": {"input": {"format": {
                    "type": "audio/pcm", "rate": 16_000}}}}},
                "integer_below_min_value", "session.audio.input.format.rate",
            ),
            (
                {"session": {"type": "realtime", "max_output_tokens": 5_000}},
                "integer_above_max_value", "session.max_output_tokens",
            ),
        ],
    )  # fmt: skip
    async def test_fault_names_code_and_path(
        self, house: House, body: Any, code: str, param: str | None
    ) -> None:
        """The client's own dotted path, never a type of ours."""
        answer = await house.post(body)
        error = answer.json()["error"]
        assert answer.status == 400
        assert (error["code"], error["param"]) == (code, param)
        assert error["type"] == "invalid_request_error"

    @pytest.mark.parametrize(
        "body",
        [
            b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a":NaN}', b'{"a":1e999}',
            b'{"a":' + b"9" * 100_000 + b"}", b'{"a":' + b"[" * 100_000, b'{"session":"\\ud800"}',
            b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", b'{"a":' + b'{"a":' * 900 + b"1" + b"}" * 901,
        ],
    )  # fmt: skip
    async def test_body_that_is_no_good_json_is_400(self, house: House, body: bytes) -> None:
        """Whatever a parser may choke on."""
        answer = await house.post(body)
        assert answer.status == 400
        assert list(answer.json()["error"]) == ["message", "type", "param", "code"]

    async def test_other_content_type_is_415(self, house: House) -> None:
        """A form is not JSON."""
        answer = await house.post(b"a=b", **{"content-type": "application/x-www-form-urlencoded"})
        assert answer.status == 415

    async def test_empty_body_mints_the_default(self, house: House) -> None:
        """`{}` and nothing at all are the default realtime model."""
        for body in (b"", b"{}", b" \n"):
            answer = await house.post(body)
            assert answer.json()["session"]["model"] == "gpt-realtime"

    async def test_null_fields_are_as_absent(self, house: House) -> None:
        """SDKs send nulls for what is not set."""
        answer = await house.post({"session": None, "expires_after": None})
        assert answer.status == 200

    async def test_response_shows_the_effective_session(self, house: House) -> None:
        """Defaults are filled in, in the wire's key order."""
        answer = await house.post(
            {"session": {"type": "realtime", "audio": {"output": {"voice": "marin"}}}}
        )
        session = answer.json()["session"]
        assert session["audio"]["output"]["voice"] == "marin"
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
        assert list(session)[:5] == ["type", "object", "id", "model", "output_modalities"]


class TestCredentials:
    """Who may ask."""

    @pytest.mark.parametrize("headers", [{}, {"authorization": "Basic x"}, {"authorization": ""}])
    async def test_no_credential_is_401_without_code(
        self, house: House, headers: dict[str, str]
    ) -> None:
        """The contract's sentence."""
        answer = await ask(house.app, "GET", "/v1/models", headers=headers)
        error = answer.json()["error"]
        assert (answer.status, error["code"]) == (401, None)
        assert error["message"] == "Missing bearer or basic authentication in header"

    async def test_api_key_header_is_taken(self, house: House) -> None:
        """Azure clients send `api-key` (CONTRACT 2)."""
        answer = await ask(house.app, "GET", "/v1/models", headers={"api-key": house.key})
        assert answer.status == 200
        assert answer.headers["openai-organization"] == "org-local"

    async def test_ephemeral_key_reaches_nothing_else(self, house: House) -> None:
        """An `ek_` opens sessions; it lists nothing and mints nothing (CONTRACT 2)."""
        value = (await house.post({})).json()["value"]
        assert (await house.post({}, key=value)).status == 401
        given = {"authorization": f"Bearer {value}"}
        for path in ("/v1/models", "/v1/models/gpt-realtime"):
            assert (await ask(house.app, "GET", path, headers=given)).status == 401


class TestReadiness:
    """`/readyz` tells the truth."""

    async def test_lost_database_is_told(self, house: House, tmp_path: Path) -> None:
        """A database that goes away makes the process unready, and its return ready."""
        assert (await ask(house.app, "GET", "/readyz")).status == 200
        await house.services.database.close()
        path, away = tmp_path / "voiceengine.db", tmp_path / "away.db"
        path.rename(away)
        for extra in tmp_path.glob("voiceengine.db-*"):
            extra.unlink()
        path.mkdir()
        answer = await ask(house.app, "GET", "/readyz")
        states = {part["name"]: part["state"] for part in answer.json()["parts"]}
        assert (answer.status, states["database"]) == (503, "failed")
        path.rmdir()
        away.rename(path)
        assert (await ask(house.app, "GET", "/readyz")).status == 200

    async def test_draining_is_not_ready(self, house: House) -> None:
        """A balancer stops sending calls before the sockets close."""
        house.services.directory.draining = True
        answer = await ask(house.app, "GET", "/readyz")
        assert (answer.status, answer.json()["draining"]) == (503, True)
        assert (await ask(house.app, "GET", "/healthz")).status == 200
