"""Serve the API until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

from gateway.app import build_app, build_internal_app, build_services
from gateway.cli.progress import tell_progress
from gateway.identity.service import Identity
from gateway.server import Server
from gateway.services import Services
from gateway.settings import Settings
from gateway.store import migrate
from gateway.telemetry import logging as logs
from gateway.tls import development_certificate
from realtime.errors import WireFault

KEY_FILE = "dev.key"

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`, from its malloc.h."""
LARGE_BLOCK_BYTES = 131_072
"""glibc's own value at start."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="TCP port; 0 takes a free one")
    parser.add_argument("--tls", action="store_true", help="serve https and wss")
    parser.add_argument("--quiet", action="store_true", help="print no banner")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    given = {name: getattr(options, name) for name in ("host", "port") if getattr(options, name)}
    if options.port == 0:
        given["port"] = 0
    if options.tls:
        given["tls"] = True
    settings = Settings(**given)
    logs.configure(level=settings.log_level, form=settings.log_format)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(settings.database)
    _give_memory_back()
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(settings, quiet=options.quiet))
    return 0


def _give_memory_back() -> None:
    """Keep glibc from raising, by itself, the size from which blocks go back to the system.

    Else a few frames of megabytes raise it, and what follows stays in a heap full
    of holes: twenty readers that stalled left 60 MiB for good.
    """
    with suppress(OSError, AttributeError):  # another C library has neither the habit nor the call
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK_BYTES)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where it exists: a fifth to a third less CPU per message."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(settings: Settings, *, quiet: bool) -> None:
    services, embedded = build_services(settings)
    await services.identity.ensure_default_project()
    key = await development_key(services.identity, settings.data_dir / KEY_FILE)
    operator = await services.identity.authenticate(key)
    certificate, authority = _certificate(settings)
    app = build_app(services, embedded)

    def started(port: int) -> None:
        # What was made until now lives as long as the process: no collection
        # need look at it again.
        gc.collect()
        gc.freeze()
        _keep(settings.data_dir / "port", port)
        if not quiet:
            link = services.operators.invite(operator)
            print(_banner(services, key, link, port, authority), file=sys.stdout, flush=True)

    server = Server(app, settings, certificate=certificate, started=started)
    if settings.internal_port is not None:
        server.add_internal(
            build_internal_app(services),
            settings.internal_port,
            lambda port: _keep(settings.data_dir / "internal_port", port),
        )
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_tell(services, quiet=quiet))
        await server.run(services.directory)
        telling.cancel()


async def _tell(services: Services, *, quiet: bool) -> None:
    if not quiet:
        await tell_progress(services.readiness, lambda line: print(line, flush=True))


def _keep(path: Path, port: int) -> None:
    # In one piece: whoever waits for the file reads it as soon as it is there.
    whole = path.with_name(f"{path.name}.new")
    whole.write_text(str(port))
    whole.replace(path)


def _certificate(settings: Settings) -> tuple[tuple[Path, Path] | None, Path | None]:
    if not settings.tls:
        return None, None
    if settings.tls_certificate is not None and settings.tls_key is not None:
        return (settings.tls_certificate, settings.tls_key), None
    certificate, key, authority = development_certificate(settings.data_dir / "tls", settings.host)
    return (certificate, key), authority


async def development_key(identity: Identity, path: Path) -> str:
    """Return the key of a local run, making it on first use; readable by the owner only."""
    try:
        text = path.read_text().strip()
        await identity.authenticate(text)
    except (FileNotFoundError, WireFault):
        text = await identity.create_key("development")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
    return text


def _command() -> str:
    """Return what calls this command line from where the server was started."""
    script = Path(sys.executable).with_name("voiceengine")
    if not script.exists():
        return f"{Path(sys.executable).name} -m gateway"
    here = Path.cwd()
    return str(script.relative_to(here) if script.is_relative_to(here) else script)


def _banner(services: Services, key: str, link: str, port: int, authority: Path | None) -> str:
    settings = services.settings
    scheme = "https" if settings.tls else "http"
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    base = f"{scheme}://{host}:{port}/v1"
    lines = [
        "",
        "VoiceEngine is listening.",
        f"  base URL   {base}",
        f"  API key    {key}",
        f"             (kept in {settings.data_dir / KEY_FILE})",
    ]
    if authority is not None:
        lines.append(f"  trust      NODE_EXTRA_CA_CERTS={authority.absolute()}")
    lines += [
        "Try:",
        f"  {base.removesuffix('/v1')}/playground/enter/{link}",
        "             (in a browser; its button opens the playground once)",
        f'  {_command()} call --url {base} --text "what time is it"',
        f"  curl {base.removesuffix('/v1')}/readyz",
        "",
    ]
    return "\n".join(lines)
