"""Log lines: JSON, bound to ids, nothing secret or spoken in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry import logging as logs
from gateway.telemetry.logging import DENIED, censor

SECRETS = [
    "sk-ve-0123456789abcdef-" + "0" * 64 + "-01234567",
    "ek_68af296e" + "0" * 24,
    "Bearer abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
]


@pytest.fixture
def configure() -> Iterator[Callable[[], None]]:
    """What turns JSON logs on (pytest's stderr is another one in a fixture's set-up)."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: logs.configure(level="info", form="json")
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


class TestCensor:
    """The final processor."""

    @pytest.mark.parametrize("key", sorted(DENIED))
    def test_denied_key_is_left_out_at_any_depth(self, key: str) -> None:
        """Neither on top nor inside, in any case."""
        line = censor(None, "", {key.upper(): "x1", "body": {"list": [{key: "x2"}]}})
        assert "x1" not in repr(line)
        assert "x2" not in repr(line)

    @pytest.mark.parametrize("secret", SECRETS)
    def test_credential_is_masked_wherever_it_stands(self, secret: str) -> None:
        """In a value, in a sentence, in a nested list."""
        line = censor(None, "", {"event": f"got {secret}!", "deep": [{"a": (secret,)}]})
        assert secret not in repr(line)

    @given(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda s: st.lists(s) | st.dictionaries(st.text(), s),
        )
    )
    def test_any_value_is_answered(self, value: object) -> None:
        """A log line never fails because of what it holds."""
        censor(None, "", {"value": value})


class TestLines:
    """What comes out."""

    def test_line_is_json_with_its_bound_ids(
        self, configure: Callable[[], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Time, level, event and what the logger is bound to."""
        configure()
        structlog.get_logger("x").bind(session_id="sess_1").info("session_started", n=1)
        line = json.loads(capsys.readouterr().err)
        assert (line["event"], line["level"], line["session_id"]) == (
            "session_started", "info", "sess_1",
        )  # fmt: skip
        assert line["ts"].endswith("Z")

    def test_libraries_go_the_same_way(
        self, configure: Callable[[], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A library's line is JSON too, and masked."""
        configure()
        logging.getLogger("sqlalchemy").warning("key %s", SECRETS[0])
        line = json.loads(capsys.readouterr().err)
        assert line["level"] == "warning"
        assert SECRETS[0] not in line["event"]

    def test_exception_is_one_masked_line(
        self, configure: Callable[[], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A traceback stays in its line and shows no credential."""
        configure()
        try:
            raise RuntimeError(SECRETS[1])
        except RuntimeError:
            structlog.get_logger("x").exception("failed")
        (text,) = capsys.readouterr().err.splitlines()
        assert "RuntimeError" in json.loads(text)["exception"]
        assert SECRETS[1] not in text

    def test_uvicorn_writes_no_access_line(
        self, configure: Callable[[], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its access log holds query strings."""
        configure()
        logging.getLogger("uvicorn.access").info("GET /v1/realtime?model=x")
        assert capsys.readouterr().err == ""
