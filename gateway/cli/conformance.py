"""Hold any endpoint that claims the Realtime API to it: `voiceengine conformance run URL`.

Wire scenarios, every event against the schema, and the clients that people use,
each in an environment of its own; a part that cannot run says what is missing.
Exit code 0: all that ran passed; 1: something differs; 2: it could not be run.
"""

from __future__ import annotations

import argparse

from conformance import __main__ as suite


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    run_parser = actions.add_parser("run", help="run it against a base URL", description=__doc__)
    suite.configure(run_parser)


def run(options: argparse.Namespace) -> int:
    """Run the suite."""
    return suite.run(options)
