"""REST from outside."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.functional import server as servers
from tests.functional.client import connected
from tests.functional.server import Server


def request(
    server: Server, path: str, *, body: Any = None, key: str | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Make one request; return status, headers and body."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Authorization": f"Bearer {key or server.key}", **headers}
    if data is not None:
        sent.setdefault("Content-Type", "application/json")
    method = "POST" if data is not None else "GET"
    asked = urllib.request.Request(server.url[:-3] + path, data, sent, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, _lower(answer.headers), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, _lower(error.headers), json.load(error)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


SECRETS = "/v1/realtime/client_secrets"


class TestClientSecrets:
    """CONTRACT 3.1."""

    def test_mint_returns_value_expiry_and_session(self, plain_server: Server) -> None:
        """Key order and the effective session are the contract's."""
        status, headers, body = request(plain_server, SECRETS, body={})
        assert status == 200
        assert list(body) == ["value", "expires_at", "session"]
        assert body["value"].startswith("ek_")
        assert len(body["value"]) == 35
        assert 595 <= body["expires_at"] - time.time() <= 601
        assert body["session"]["expires_at"] == 0
        assert headers["x-request-id"].startswith("req_")
        assert headers["openai-version"] == "2020-10-01"
        assert headers["openai-processing-ms"].isdigit()

    async def test_secret_opens_its_configured_session(self, plain_server: Server) -> None:
        """A session begins with what its secret was minted with."""
        session = {"type": "realtime", "model": "echo", "instructions": "Be brief."}
        _, _, body = request(plain_server, SECRETS, body={"session": session})
        async with connected(plain_server, model="echo", key=body["value"]) as client:
            await client.send(type="session.update", session={"type": "realtime"})
            shown = (await client.receive())["session"]
        assert shown["instructions"] == "Be brief."

    def test_secret_cannot_mint(self, plain_server: Server) -> None:
        """An ephemeral key makes no other."""
        _, _, body = request(plain_server, SECRETS, body={})
        status, _, refused = request(plain_server, SECRETS, body={}, key=body["value"])
        assert (status, refused["error"]["code"]) == (401, "invalid_api_key")

    @pytest.mark.parametrize(
        ("seconds", "code"),
        [(9, "integer_below_min_value"), (7_201, "integer_above_max_value")],
    )
    def test_lifetime_is_bounded(self, plain_server: Server, seconds: int, code: str) -> None:
        """10 to 7,200 seconds."""
        body = {"expires_after": {"anchor": "created_at", "seconds": seconds}}
        status, _, refused = request(plain_server, SECRETS, body=body)
        assert status == 400
        assert refused["error"]["code"] == code
        assert refused["error"]["param"] == "expires_after.seconds"

    def test_unknown_field_is_named(self, plain_server: Server) -> None:
        """The dotted path of the client's own key is told."""
        body = {"session": {"type": "realtime", "bogus": 1}}
        status, _, refused = request(plain_server, SECRETS, body=body)
        assert status == 400
        assert refused["error"]["message"] == "Unknown parameter: 'session.bogus'."


class TestEnvelope:
    """Every error has the four keys and no internal text."""

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/v1/nothing", None, 404),
            (SECRETS, None, 405),
            (SECRETS, b"{", 400),
            (SECRETS, b"[1]", 400),
            (SECRETS, b'{"session":' + b"[" * 500 + b"]" * 500 + b"}", 400),
            (SECRETS, b"x" * 2_000_000, 413),
            ("/v1/models/none", None, 404),
        ],
    )
    def test_fault_answers_in_the_envelope(
        self, plain_server: Server, path: str, body: Any, status: int
    ) -> None:
        """Status and shape."""
        got, headers, answer = request(plain_server, path, body=body)
        assert got == status
        assert list(answer) == ["error"]
        assert list(answer["error"]) == ["message", "type", "param", "code"]
        assert "Traceback" not in answer["error"]["message"]
        assert headers["x-request-id"].startswith("req_")
        if status == 405:
            assert headers["allow"] == "POST"

    def test_wrong_key_is_masked(self, plain_server: Server) -> None:
        """A key never comes back whole."""
        status, _, answer = request(plain_server, "/v1/models", key="sk-proj-abcdefghijklmnop")
        assert status == 401
        assert answer["error"]["code"] == "invalid_api_key"
        assert "abcdefghijkl" not in answer["error"]["message"]


class TestModels:
    """Every documented name resolves at once."""

    def test_list_has_the_contracts_names(self, plain_server: Server) -> None:
        """Realtime and transcription models alike."""
        _, _, body = request(plain_server, "/v1/models")
        names = {model["id"] for model in body["data"]}
        assert {"gpt-realtime", "gpt-realtime-2.1-mini", "gpt-4o-transcribe", "whisper-1"} <= names


class TestCors:
    """Browsers call from other origins."""

    def test_preflight_allows_what_sdks_send(self, plain_server: Server) -> None:
        """The headers of OpenAI's browser SDKs."""
        asked = urllib.request.Request(
            plain_server.url + "/realtime/client_secrets",
            headers={
                "Origin": "https://app.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-openai-agents-sdk",
            },
            method="OPTIONS",
        )
        with urllib.request.urlopen(asked) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["access-control-allow-origin"] == "*"
        allowed = headers["access-control-allow-headers"].lower()
        assert "x-openai-agents-sdk" in allowed

    def test_exposes_what_clients_read(self, plain_server: Server) -> None:
        """`x-request-id` and `Location` are readable by scripts."""
        _, headers, _ = request(plain_server, "/v1/models", Origin="https://app.example")
        exposed = headers["access-control-expose-headers"]
        assert "x-request-id" in exposed
        assert "Location" in exposed


class TestOperations:
    """What operators ask."""

    def test_readiness_lists_every_part(self, plain_server: Server) -> None:
        """A part that this configuration goes without is declared absent."""
        report = plain_server.readiness()
        states = {part["name"]: part["state"] for part in report["parts"]}
        assert report["ready"]
        assert states == {"speech": "absent", "skills": "absent", "database": "ready"}

    def test_metrics_carry_no_ids(self, plain_server: Server) -> None:
        """Metrics are named `voiceengine_` and no session or key stands in them."""
        with urllib.request.urlopen(plain_server.url[:-3] + "/metrics") as answer:
            text = answer.read().decode()
        assert "voiceengine_sessions" in text
        assert "sess_" not in text

    def test_internal_port_takes_the_metrics_along(self, tmp_path: Path) -> None:
        """With INTERNAL_PORT the API's port shows none, the other shows them and no API."""
        server = servers.start(tmp_path, env={"INTERNAL_PORT": "0"})
        try:
            server.wait_ready()
            internal = f"http://127.0.0.1:{(tmp_path / 'internal_port').read_text()}"
            assert request(server, "/metrics")[0] == 404
            with urllib.request.urlopen(f"{internal}/metrics") as answer:
                assert "voiceengine_sessions" in answer.read().decode()
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{internal}/v1/models")
        finally:
            assert server.stop() == 0


class TestRevocation:
    """A key is made void by another process: the command line."""

    async def test_revoked_key_ends_its_live_session(self, plain_server: Server) -> None:
        """An `error`, then CLOSE 3000; the key opens nothing any more."""
        key = servers.command(plain_server, "keys", "create", "--name", "guest").strip()
        (key_id,) = [
            shown["id"]
            for shown in json.loads(servers.command(plain_server, "keys", "list", "--json"))
            if shown["name"] == "guest"
        ]
        async with connected(plain_server, key=key) as client:
            servers.command(plain_server, "keys", "revoke", key_id)
            error = (await client.until("error"))[-1]["error"]
            assert error["code"] == "invalid_api_key"
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 3000
        assert request(plain_server, "/v1/models", key=key)[0] == 401
