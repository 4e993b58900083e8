"""`voiceengine call`, as somebody runs it who tries the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional import server as servers
from tests.functional.server import Server

pytestmark = pytest.mark.real


@pytest.mark.parametrize("option", ["--key-file", "--audio"])
def test_file_that_is_not_there_is_named(option: str, plain_server: Server, tmp_path: Path) -> None:
    """A slip of the pen gets a sentence, not a traceback."""
    servers.command(plain_server, "call", option, str(tmp_path / "none"), "--url", "x", code=64)


def test_wrong_key_is_told_with_where_a_right_one_is(plain_server: Server, tmp_path: Path) -> None:
    """The contract's words name OpenAI's pages; the command adds what to do here."""
    wrong = tmp_path / "wrong.key"
    wrong.write_text("sk-proj-of-another-service")
    argv = ["call", "--url", plain_server.url, "--key-file", str(wrong), "--text", "hello"]
    told = servers.command(plain_server, *argv, code=1)
    assert "error     Incorrect API key provided" in told
    assert "remedy    The gateway has no such key." in told
    assert "voiceengine keys create" in told
