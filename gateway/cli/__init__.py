"""The command line: `voiceengine serve | keys | models | migrate | health | doctor | call | …`.

Exit codes: 0 good, 1 a negative result, 2 a failure, 64 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

GOOD, NEGATIVE, FAILURE, USAGE = 0, 1, 2, 64

COMMANDS = {
    "serve": "serve the API",
    "keys": "create, list and revoke project keys",
    "models": "list, declare and remove models",
    "prompts": "add, list and show prompts",
    "migrate": "bring the database up to date",
    "health": "ask the server on this machine whether it works",
    "doctor": "probe every part and say what to do about each fault",
    "call": "call a Realtime endpoint with text, a wav file or the microphone",
    "conformance": "hold any endpoint to the Realtime API, with the clients that people use",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = _Parser(prog="voiceengine", description="A self-hosted Realtime voice gateway.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    given = sys.argv[1:] if arguments is None else arguments
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name in given[:1]:  # the others' imports cost seconds, and a health check runs often
            module = importlib.import_module(f"gateway.cli.{name}")
            command.description = module.__doc__
            module.configure(command)
    options = parser.parse_args(given)
    code = importlib.import_module(f"gateway.cli.{options.command}").run(options)
    return int(code)
