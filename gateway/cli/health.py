"""Ask the server that runs here whether it works: what a container's health check calls.

Exit code 0: it answers (with --ready: all parts are ready); 1: it does not.
"""

from __future__ import annotations

import argparse
import ssl
import sys
import urllib.error
import urllib.request

from gateway.settings import Settings

TIMEOUT_S = 4.0
GOOD, NEGATIVE = 0, 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--ready", action="store_true", help="ask whether all parts are ready")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    url = address(Settings(), "/readyz" if options.ready else "/healthz")
    # The certificate names the host that clients dial, not loopback.
    context = ssl._create_unverified_context() if url.startswith("https") else None  # noqa: S323, SLF001
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310 -- our own
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return NEGATIVE
    except OSError as error:
        print(f"{url} does not answer: {error}", file=sys.stderr)
        return NEGATIVE
    return GOOD


def address(settings: Settings, path: str) -> str:
    """Return a URL of the server of this data folder, which wrote down the port it took."""
    port, kept = settings.port, settings.data_dir / "port"
    if port == 0 and kept.exists():
        port = int(kept.read_text())
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls else 'http'}://{shown}:{port}{path}"
