"""Servers that answer by each engine, under the conformance suite: `python -m tests.functional.engines`.

Run as a program it writes the columns of docs/compatibility.md: `[--only wire|CLIENT]… [ENGINE…]`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from conformance.__main__ import FOREIGN
from tests.functional import server as servers
from tests.functional.server import ROOT, Server
from tests.servers import chat, foreign
from tests.servers import litellm as litellms
from tests.servers.litellm import Proxy

NAMES = ("gpt-realtime", "gpt-realtime-2", "gpt-realtime-mini", "gpt-4o-realtime-preview")
"""The models that the suites ask for."""


@contextmanager
def started(folder: Path, env: dict[str, str], *options: str) -> Iterator[Server]:
    """Run a server that is ready."""
    server = servers.start(folder, *options, env=env)
    server.trust = folder / "tls" / "authority.pem" if "--tls" in options else None
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@contextmanager
def skills(folder: Path, python: Path, *options: str) -> Iterator[Server]:
    """OVOS skills, the default."""
    with started(folder / "skills", servers.voice(python), *options) as server:
        yield server


@contextmanager
def cascade(folder: Path, python: Path, *options: str) -> Iterator[Server]:
    """A chat model between recogniser and synthesiser."""
    with chat.running() as model:
        env = servers.voice(python) | {
            "VOICEENGINE_SKILLS": "false",
            "VOICEENGINE_CHAT_URL": model.url,
            "VOICEENGINE_CHAT_MODEL": "words",
        }
        with started(folder / "cascade", env, *options) as server:
            yield server


@contextmanager
def relay_to(url: str, key: str, folder: Path, python: Path, *options: str) -> Iterator[Server]:
    """A gateway that relays to an endpoint; it transcribes by itself."""
    models = {name: {"url": url, "model": name, "api_key": key} for name in NAMES}
    env = servers.voice(python) | {
        "VOICEENGINE_SKILLS": "false",
        "VOICEENGINE_RELAYS": json.dumps(models),
    }
    with started(folder / "relay", env, *options) as server:
        yield server


@contextmanager
def relay(folder: Path, python: Path, *options: str) -> Iterator[Server]:
    """A relay to a second VoiceEngine."""
    with (
        skills(folder, python) as second,
        relay_to(second.ws_url, second.key, folder, python, *options) as server,
    ):
        yield server


@contextmanager
def relay_foreign(folder: Path, python: Path, *options: str) -> Iterator[Server]:
    """A relay to a service with ids, key order, fields and events of its own."""
    with ExitStack() as stack:
        second = stack.enter_context(skills(folder, python))
        url = stack.enter_context(foreign.running(second.ws_url))
        yield stack.enter_context(relay_to(url, second.key, folder, python, *options))


@contextmanager
def litellm(folder: Path, python: Path, *_options: str) -> Iterator[Proxy]:
    """LiteLLM's proxy in front of skills; it speaks no TLS."""
    with ExitStack() as stack:
        behind = stack.enter_context(skills(folder, python))
        yield stack.enter_context(
            litellms.running(folder / "litellm", behind.url, behind.key, NAMES)
        )


ENGINES: dict[str, Callable[..., AbstractContextManager[Server]]] = {
    "skills": skills,
    "cascade": cascade,
    "relay": relay,
    "relay-foreign": relay_foreign,
}
COLUMNS: dict[str, Callable[..., AbstractContextManager[Server | Proxy]]] = {
    **ENGINES,
    "litellm": litellm,
}
"""What the page has; LiteLLM needs an environment that CI does not make."""


def write(engine: str, parts: Sequence[str]) -> int:
    """Hold an engine to everything; keep what was seen."""
    python = ROOT / "var" / "venv" / "speech" / "bin" / "python"
    parts = parts or (["wire"] if engine in FOREIGN else [])
    with (
        tempfile.TemporaryDirectory() as folder,
        COLUMNS[engine](Path(folder), python, "--tls") as server,
    ):
        argv = [sys.executable, "-m", "conformance", server.url, "--engine", engine]
        if isinstance(server, Server):
            argv += ["--authority", str(server.trust)]
        argv += [word for part in parts for word in ("--only", part)]
        env = {**os.environ, "OPENAI_API_KEY": server.key}
        return subprocess.run(argv, cwd=ROOT, env=env, check=False).returncode


def main() -> int:
    """Write columns; the exit code is the worst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("engines", nargs="*", default=list(COLUMNS))
    options = parser.parse_args()
    return max(write(engine, options.only) for engine in options.engines)


if __name__ == "__main__":
    sys.exit(main())
