"""A real PostgreSQL server on a free port, from Debian's packages, for one test session."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 30


def binaries() -> Path | None:
    """Return the folder of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_other() -> list[str]:
    """`initdb` refuses root, so another user runs the server there."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    return ["runuser", "-u", "postgres" if "postgres" in names else "nobody", "--"]


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Yield the SQLAlchemy URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="ve-pg-"))
    prefix = _as_other()
    if prefix:
        shutil.chown(folder, user=prefix[2])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    subprocess.run(
        [*prefix, programs / "initdb", "-D", data, "-U", "voiceengine", "-A", "trust", "-N"],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
    subprocess.run(
        [*prefix, programs / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log",
         "-w", "-t", str(START_TIMEOUT_S), "start"],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    try:
        yield f"postgresql+asyncpg://voiceengine@127.0.0.1:{port}/postgres"
    finally:
        stop = [*prefix, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
        subprocess.run(stop, capture_output=True, check=False, cwd="/")
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)
