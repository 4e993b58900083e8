"""Settings: one reader of the environment, every one of them documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.configuration import REFERENCE, document, variables
from gateway.settings import Settings
from tests.conftest import ROOT

NAMES = sorted(Settings.model_fields)


class TestReference:
    """`docs/reference/configuration.md` is in step with the code."""

    def test_page_equals_what_code_says(self) -> None:
        """The committed page is the generated one."""
        assert REFERENCE.read_text() == document(), "run `make reference`"

    @pytest.mark.parametrize("name", NAMES)
    def test_setting_is_documented(self, name: str) -> None:
        """Each setting has a row and a meaning."""
        field = Settings.model_fields[name]
        assert field.description
        for variable in variables(name, field):
            assert f"`{variable}`" in REFERENCE.read_text()


class TestEnvironment:
    """What is read from where."""

    def test_empty_variable_counts_as_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A compose file hands on every variable, most of them empty."""
        monkeypatch.setenv("VOICEENGINE_SPEECH_SOCKET", "")
        monkeypatch.setenv("VOICEENGINE_SESSION_MAX_MINUTES", "")
        assert Settings().speech_socket is None
        assert Settings().session_max_minutes == 60

    @pytest.mark.parametrize(
        ("password", "expected"), [("p@ss/word", "p%40ss%2Fword@db"), ("", "ve@db")]
    )
    def test_password_from_a_secret_file_completes_the_url(
        self, tmp_path: Path, password: str, expected: str
    ) -> None:
        """It is quoted where it must be; an empty file leaves the URL as it is."""
        (tmp_path / "voiceengine_database_password").write_text(password)
        url = "postgresql+asyncpg://ve@db/ve"
        settings = Settings(_secrets_dir=tmp_path, database_url=url)  # type: ignore[call-arg]
        assert expected in settings.database
        assert "p@ss" not in repr(settings)

    @pytest.mark.parametrize("name", ["HOST", "VOICEENGINE_HOST"])
    def test_host_is_read_with_and_without_prefix(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """`make run HOST=…` works."""
        for each in ("HOST", "VOICEENGINE_HOST"):
            monkeypatch.delenv(each, raising=False)
        monkeypatch.setenv(name, "0.0.0.0")
        assert Settings().host == "0.0.0.0"

    def test_list_is_read_as_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Origins come as a JSON list."""
        monkeypatch.setenv("VOICEENGINE_CORS_ORIGINS", '["https://a.example"]')
        assert Settings().cors_origins == ["https://a.example"]

    def test_value_out_of_bounds_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A start with a wrong setting fails at once and names it."""
        monkeypatch.setenv("VOICEENGINE_SPEECH_START_MS", "1")
        with pytest.raises(ValidationError, match="speech_start_ms"):
            Settings()

    def test_settings_are_frozen(self) -> None:
        """Nothing changes a setting after the start."""
        with pytest.raises(ValidationError):
            Settings().port = 1  # type: ignore[misc]

    def test_default_database_lies_in_data_dir(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """SQLite under `data_dir`, by an absolute path."""
        monkeypatch.delenv("VOICEENGINE_DATABASE_URL", raising=False)
        settings = Settings(data_dir=Path("/somewhere"))
        assert settings.database == "sqlite+aiosqlite:////somewhere/voiceengine.db"

    def test_largest_legal_append_fits_a_message(self) -> None:
        """15 MiB of audio in base64 with its keys is below the default bound."""
        assert Settings().ws_max_message_bytes > 15 * 1024 * 1024 * 4 // 3 + 1_024


def _reads_environment(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        for node in ast.walk(tree)
    )


def test_only_settings_read_the_environment() -> None:
    """No module beside them looks there, but for `call`, a client that takes the key as SDKs do."""
    readers = [
        str(path.relative_to(ROOT))
        for package in ("gateway", "realtime")
        for path in (ROOT / package).rglob("*.py")
        if _reads_environment(ast.parse(path.read_text()))
    ]
    assert set(readers) <= {"gateway/cli/call.py", "gateway/settings/models.py"}


class TestNetwork:
    """Which way calls go."""

    @pytest.mark.parametrize(
        "wrong",
        [
            {"rtp_ports": "40000"},
            {"rtp_ports": "40010-40000"},
            {"rtp_ports": "0-10"},
            {"rtp_ports": "65000-70000"},
            {"rtp_addresses": ["here"]},
            {"public_address": "example.com"},
            {"stun_url": "turn:example.com"},
            {"stun_url": "stun:example.com:0"},
            {"turn_urls": ["turn:example.com"]},
            {"turn_urls": ["stun:example.com"], "turn_secret": "s"},
            {"turn_urls": ["turns:example.com?transport=udp"], "turn_secret": "s"},
            {"turn_urls": ["turn:example.com"], "turn_user": "u"},
            {"ice_relay_only": True},
        ],
    )
    def test_network_that_cannot_be_stops_the_start(self, wrong: dict[str, object]) -> None:
        """Rather than every call."""
        with pytest.raises(ValidationError):
            Settings(**wrong)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("turn:a.example", ("turn", "a.example", 3478, "udp")),
            ("turn:a.example:80?transport=tcp", ("turn", "a.example", 80, "tcp")),
            ("turns:[2001:db8::1]:443", ("turns", "2001:db8::1", 443, "tcp")),
        ],
    )
    def test_relay_is_read_from_its_url(self, url: str, expected: tuple[object, ...]) -> None:
        """Ports and transports have the defaults of RFC 7065."""
        settings = Settings(turn_urls=[url], turn_secret="hush")
        [server] = settings.turn_servers
        assert (server.scheme, server.host, server.port, server.transport) == expected
        assert "hush" not in repr(settings)
