"""`voiceengine call`, as somebody runs it who tries the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional import server as servers
from tests.functional.server import Server

pytestmark = pytest.mark.real


def test_wrong_key_is_told_with_where_a_right_one_is(plain_server: Server, tmp_path: Path) -> None:
    """The contract's words name OpenAI's pages; the command adds what to do here."""
    wrong = tmp_path / "wrong.key"
    wrong.write_text("sk-proj-of-another-service")
    argv = ["call", "--url", plain_server.url, "--key-file", str(wrong), "--text", "hello"]
    told = servers.command(plain_server, *argv, code=1)
    assert "error     Incorrect API key provided" in told
    assert "remedy    The gateway has no such key." in told
    assert "voiceengine keys create" in told
