"""Holds an endpoint to the Realtime API: `python -m conformance URL --key-file FILE`.

Any base URL that claims compatibility will do. Runs our scenarios over a raw
WebSocket, validates every event, and runs the suites of clients that nobody here
wrote. Exit code 0: all that ran passed; 1: something differs; 2: it could not be run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import websockets

from conformance import clients, compatibility, report
from conformance.wire import suite
from conformance.wire.endpoint import DEFAULT_TIMEOUT_S, Broken, Endpoint, Wire
from conformance.wire.scenario import Outcome, Scenario

PARTS = ("wire", *(client.name for client in clients.CLIENTS))
FOREIGN = ("relay-foreign", "litellm")
"""Engines whose events pass from elsewhere as they are: their form is not ours to judge."""

EPILOG = "Exit code 0: all that ran passed; 1: something differs; 2: it could not be run."


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Hold an endpoint to the OpenAI Realtime API.",
        epilog=EPILOG,
    )
    configure(parser)
    return parser


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("url", help="base URL, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--key-file", type=Path, help="file with the key; else OPENAI_API_KEY")
    parser.add_argument("--authority", type=Path, help="authority to trust (PEM)")
    parser.add_argument("--model", default="gpt-realtime", help="model to talk to")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to FILE too")
    parser.add_argument("--timeout-s", type=float, default=DEFAULT_TIMEOUT_S, metavar="S")
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part only")
    parser.add_argument(
        "--setup", action="store_true", help="make the environments of clients that are missing"
    )
    parser.add_argument(
        "--compatibility",
        action="store_true",
        help="write what was seen to matrix.json and docs/compatibility.md",
    )
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="what answers there: write what was seen into this column of engines.json",
    )
    parser.add_argument(
        "--no-speech", action="store_true", help="leave out what needs voice activity"
    )
    parser.add_argument("--no-slow", action="store_true", help="leave out what waits for seconds")


def main() -> int:
    """Run what was asked for; return the exit code."""
    return run(arguments().parse_args())


def run(options: argparse.Namespace) -> int:
    """Hold an endpoint to what the options say; return the exit code."""
    try:
        endpoint = _endpoint(options)
        asyncio.run(_reach(endpoint))
    except (OSError, ValueError, Broken, websockets.WebSocketException) as error:
        print(f"Cannot run: {error or type(error).__name__}", file=sys.stderr)
        return report.CANNOT_RUN
    parts: Sequence[str] = options.only or PARTS
    wire = _wire(endpoint, options) if "wire" in parts else []
    held = _clients(endpoint, parts, setup=options.setup)
    outcomes = wire + [outcome for one in held for outcome in one.outcomes]
    print(f"\n{endpoint.base_url}, {endpoint.model}: {report.summary(outcomes)}")
    if options.json is not None:
        report.write(options.json, endpoint.base_url, endpoint.model, outcomes, held)
    if options.compatibility:
        compatibility.keep(held)
    if options.engine:
        compatibility.keep_engine(options.engine, wire, held)
    return report.verdict(outcomes)


def _endpoint(options: argparse.Namespace) -> Endpoint:
    if not options.url.startswith(("http://", "https://")):
        raise ValueError("the base URL begins with http:// or https:// and ends as the SDK's does")
    key = os.environ.get("OPENAI_API_KEY", "")
    if options.key_file is not None:
        key = options.key_file.read_text().strip()
    if not key:
        raise ValueError("no key: use --key-file or OPENAI_API_KEY")
    endpoint = Endpoint(
        base_url=options.url.rstrip("/"),
        key=key,
        model=options.model,
        authority=options.authority,
        timeout_s=options.timeout_s,
    )
    endpoint.context()  # an authority that cannot be read is told before anything is tried
    return endpoint


async def _reach(endpoint: Endpoint) -> None:
    """Open one session; what cannot even do that is not held to anything."""
    async with Wire(endpoint, "reach").session():
        pass


def _clients(endpoint: Endpoint, names: Collection[str], *, setup: bool) -> list[clients.Held]:
    held = []
    for client in clients.CLIENTS:
        if client.name in names:
            one = clients.hold(client, endpoint, setup=setup)
            report.show_held(one)
            held.append(one)
    return held


def _wire(endpoint: Endpoint, options: argparse.Namespace) -> list[Outcome]:
    speech, slow = not options.no_speech, not options.no_slow
    chosen: list[Scenario] = []
    left_out: list[Outcome] = []
    for entry in suite.scenarios():
        if (speech or not entry.needs_speech) and (slow or not entry.slow):
            chosen.append(entry)
            continue
        option = "--no-slow" if speech or not entry.needs_speech else "--no-speech"
        rule = f"{entry.name} ({entry.section})"
        left_out.append(Outcome("wire", rule, "not run", f"left out by {option}"))
    outcomes, frames = asyncio.run(suite.run(endpoint, report.show, chosen))
    validated = [] if options.engine in FOREIGN else suite.validate(frames)
    for outcome in left_out + validated:
        report.show(outcome)
    return outcomes + left_out + validated


if __name__ == "__main__":
    sys.exit(main())
