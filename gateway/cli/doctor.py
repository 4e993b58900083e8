"""Probe every part, and say what to do about each fault."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from http.client import SERVICE_UNAVAILABLE, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.endpoint_checks import check_endpoints
from gateway.cli.findings import Finding
from gateway.cli.model_checks import check_models
from gateway.cli.network_checks import check_network
from gateway.cli.plugin_checks import check_plugins
from gateway.settings import Settings
from gateway.store.database import Database
from ovos_bridge.launch import health
from ovos_bridge.launch.environment import host_timezone

LEAST_FREE_BYTES = 500 * 1024 * 1024
HTTP_TIMEOUT_S = 5.0
PLUGIN_TIMEOUT_S = 60.0
"""A plugin may load a large model; most take two seconds."""

GOOD, NEGATIVE, FAILURE = 0, 1, 2


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="do not try the plugins")
    parser.add_argument(
        "--plugin-timeout",
        type=float,
        default=PLUGIN_TIMEOUT_S,
        metavar="SECONDS",
        help="longest time that a plugin may take to load and work (%(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    settings = Settings()
    findings = [finding for check in CHECKS for finding in check(settings)]
    if not options.quick:
        findings += check_plugins(settings, timeout_s=options.plugin_timeout)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        _show(findings)
    if any(finding.status == "bad" for finding in findings):
        return FAILURE
    return NEGATIVE if any(finding.status == "warning" for finding in findings) else GOOD


def _show(findings: list[Finding]) -> None:
    width = max(14, *(len(finding.name) for finding in findings))
    for finding in findings:
        print(f"{finding.status:8} {finding.name:{width}} {finding.observed}")
        if finding.fix:
            print(f"{'':{width + 10}}-> {finding.fix}")


def _python(_settings: Settings) -> list[Finding]:
    version = sys.version.split()[0]
    return [Finding("python", "good", version)]


def _data(settings: Settings) -> list[Finding]:
    folder = settings.data_dir.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        fix = f"make {folder} writable, or set VOICEENGINE_DATA_DIR"
        return [Finding("data", "bad", str(error), fix)]
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        observed = f"{free // 2**20} MiB free in {folder}"
        return [Finding("data", "warning", observed, "free some disk space")]
    return [Finding("data", "good", f"{folder} is writable, {free // 2**30} GiB free")]


def _database(settings: Settings) -> list[Finding]:
    async def probe() -> dict[str, Any]:
        database = Database(settings.database)
        try:
            return await database.probe()
        finally:
            await database.close()

    try:
        facts = asyncio.run(probe())
    except (SQLAlchemyError, OSError) as error:
        fix = "start the database, or correct VOICEENGINE_DATABASE_URL"
        return [Finding("database", "bad", type(error).__name__, fix)]
    return [Finding("database", "good", f"{facts['dialect']} answers")]


def _environment(settings: Settings) -> list[Finding]:
    speech = settings.speech and settings.speech_socket is None
    skills = settings.skills and settings.ovos_bus_url is None
    return [*_elsewhere(settings), *(_installed(settings) if speech or skills else [])]


def _elsewhere(settings: Settings) -> Iterator[Finding]:
    """Ask the parts that this gateway does not start itself."""
    if settings.speech and settings.speech_socket is not None:
        path = str(settings.speech_socket)
        fix = f"start the worker with --socket {path}, in a volume that both see, as the same user"
        yield _answers("speech", f"worker at {path}", fix, lambda: asyncio.run(health.speech(path)))
    if settings.skills and settings.ovos_bus_url is not None:
        url = urlsplit(settings.ovos_bus_url)
        fix = "start that bus, or correct VOICEENGINE_OVOS_BUS_URL"
        host, port = url.hostname or "", url.port or 80
        yield _answers("skills", f"bus at {host}:{port}", fix, lambda: health.hub(host, port))


def _answers(name: str, what: str, fix: str, asked: Callable[[], bool]) -> Finding:
    try:
        good = asked()
    except (OSError, TimeoutError, HTTPException) as error:
        return Finding(name, "bad", f"{what} does not answer: {error or type(error).__name__}", fix)
    if not good:
        return Finding(name, "bad", f"{what} is something else", fix)
    return Finding(name, "good", f"{what} answers")


def _installed(settings: Settings) -> list[Finding]:
    python = settings.worker_python
    if not python.exists():
        observed, fix = f"{python} does not exist", "python3 deploy/bootstrap.py speech"
        return [Finding("speech", "bad", observed, fix)]
    site = next(iter((python.parent.parent / "lib").glob("python*/site-packages")), Path())
    found = [Finding("speech", "good", str(python))]
    if not (site / "ovos_core").exists():
        fix = "sudo apt-get install g++ swig libfann-dev python3-dev, then `make run`"
        found.append(Finding("skills", "warning", "OVOS core is not installed", fix))
    else:
        found.append(Finding("skills", "good", "OVOS core is installed"))
    return found


def _timezone(_settings: Settings) -> list[Finding]:
    zone = host_timezone()
    if zone == "Etc/UTC":
        return [Finding("time zone", "warning", zone, "set TZ if this host is not in UTC")]
    return [Finding("time zone", "good", zone)]


def _server(settings: Settings) -> list[Finding]:
    port = settings.port
    kept = settings.data_dir / "port"
    if kept.exists():
        port = int(kept.read_text())
    report = _readiness(f"http://127.0.0.1:{port}/readyz")
    if report is None:  # `serve --tls` is no setting: only asking tells
        report = _readiness(f"https://127.0.0.1:{port}/readyz")
    if report is None:
        return _port(settings)
    return [
        Finding(
            f"running {part['name']}"[:14],
            "good" if part["state"] in ("ready", "absent") else "warning",
            f"{part['state']}: {part['detail']}",
            "" if part["state"] != "failed" else f"see {settings.data_dir}/log/{part['name']}.log",
        )
        for part in report["parts"]
    ]


def _readiness(url: str) -> dict[str, Any] | None:
    """Return what a server says of its parts, None where none answers."""
    # Its certificate is made by an authority of its own, which nobody trusts by default.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S, context=context) as answer:  # noqa: S310 -- our own
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        return dict(json.load(error)) if error.code == SERVICE_UNAVAILABLE else None
    except (OSError, ValueError, HTTPException):
        return None


def _port(settings: Settings) -> list[Finding]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            fix = "stop what listens there, or set PORT"
            return [Finding("port", "bad", f"{settings.host}:{settings.port}: {error}", fix)]
    observed = f"{settings.host}:{settings.port} is free; no server runs"
    return [Finding("port", "good", observed)]


CHECKS: tuple[Callable[[Settings], list[Finding]], ...] = (
    _python,
    _data,
    _database,
    _environment,
    check_network,
    check_endpoints,
    check_models,
    _timezone,
    _server,
)
