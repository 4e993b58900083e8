"""The private world of an OVOS process: folders, variables, configuration.

OVOS reads and writes all over a home directory and the temporary folder, and a
machine's own OVOS settings would leak in. Everything is kept below one state
directory instead, readable by its owner only. Import nothing of OVOS before
`enter` has run: its packages create folders when they are imported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUS_ROUTE = "/core"
LOOPBACK = "127.0.0.1"
PIPELINE = (
    "stop_high",
    "converse",
    "padatious_high",
    "adapt_high",
    "fallback_high",
    "stop_medium",
    "padatious_medium",
    "adapt_medium",
    "padatious_low",
    "adapt_low",
    "common_qa",
    "fallback_medium",
    "fallback_low",
)
"""Matchers in order; only stages whose plugins are in the lock file. Loose matches of whole
phrases, which the phrase book vouches for, come before those of a keyword or two."""

# Variables an OVOS process may inherit. Anything else, above all the gateway's
# own secrets, has no business in a process that runs third-party skills.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")


LOOSE_CONFIDENCE = 0.65
"""Least confidence of a loose match; stock padatious would take 0.5."""

QUESTION_TIMEOUT_S = 30
"""Time a skill waits for the reply to its question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OvosOptions:
    """What an installation may choose about its embedded OVOS."""

    port: int
    bus_host: str = LOOPBACK
    """Name or address that core finds the bus by; the hub beside it listens on loopback only."""
    language: str = "en-US"
    secondary_languages: tuple[str, ...] = ()
    timezone: str | None = None
    allow_network: bool = False
    blacklisted_skills: tuple[str, ...] = ()
    shipped_intents: bool = True


def host_timezone(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> str:
    """Return the host's time zone as an IANA name, `Etc/UTC` when it cannot be told."""
    environ = os.environ if environ is None else environ
    named = environ.get("TZ", "").lstrip(":")
    if "/" in named and not named.startswith("/"):
        return named
    link = root / "etc" / "localtime"
    if link.is_symlink():
        _, found, name = os.readlink(link).partition("zoneinfo/")
        if found and name:
            return name.removeprefix("posix/")
    try:
        name = (root / "etc" / "timezone").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    return name if name and not name.startswith("/") else "Etc/UTC"


def variables(state_dir: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of an OVOS process that lives in `state_dir`."""
    state_dir = state_dir.absolute()
    env = {name: inherited[name] for name in _INHERITED if name in inherited}
    env |= {
        "HOME": str(state_dir / "home"),
        "TMPDIR": str(state_dir / "tmp"),
        "XDG_CONFIG_HOME": str(state_dir / "config"),
        "XDG_DATA_HOME": str(state_dir / "data"),
        "XDG_STATE_HOME": str(state_dir / "state"),
        "XDG_CACHE_HOME": str(state_dir / "cache"),
        "XDG_RUNTIME_DIR": str(state_dir / "run"),
        "XDG_CONFIG_DIRS": str(state_dir / "none"),
        "XDG_DATA_DIRS": str(state_dir / "none"),
        "MYCROFT_SYSTEM_CONFIG": str(state_dir / "none" / "system.conf"),
        "OVOS_DISTRIBUTION_CONFIG": str(state_dir / "none" / "distribution.conf"),
        "OVOS_DEFAULT_LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }
    return env


def configuration(options: OvosOptions) -> dict[str, Any]:
    """Return the content of `mycroft.conf`."""
    zone = options.timezone or host_timezone()
    return {
        "lang": options.language,
        "secondary_langs": list(options.secondary_languages),
        # ovos-config ships a location of its own, and with it the wrong time.
        "location": {"timezone": {"code": zone, "name": zone}},
        "websocket": {
            "host": options.bus_host,
            "port": options.port,
            "route": BUS_ROUTE,
            "shared_connection": True,
        },
        "utterance_transformers": {
            "ovos-utterance-normalizer": {},
            "ovos-utterance-plugin-cancel": {},
        },
        "intent_transformers": {},
        "intents": {
            "pipeline": list(PIPELINE),
            "ovos-padatious-pipeline-plugin": {"conf_low": LOOSE_CONFIDENCE},
        },
        "open_data": {"intent_urls": []},
        "skills": {
            "get_response_timeout": QUESTION_TIMEOUT_S,
            "blacklisted_skills": list(options.blacklisted_skills),
            "installer": {"allow_pip": False},
        },
    }


def intent_cache_dir(state_dir: Path) -> Path:
    """Return where padatious keeps its trained intents."""
    return state_dir / "data" / "mycroft" / "intent_cache"


def write(state_dir: Path, options: OvosOptions) -> None:
    """Create the folders and the configuration file; safe to repeat and to race."""
    for name in ("home", "tmp", "config", "data", "state", "cache", "run"):
        (state_dir / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    conf = state_dir / "config" / "mycroft" / "mycroft.conf"
    conf.parent.mkdir(mode=0o700, exist_ok=True)
    draft = conf.with_name(f"mycroft.conf.{os.getpid()}")
    draft.write_text(json.dumps(configuration(options), indent=1), encoding="utf-8")
    draft.replace(conf)


def enter(state_dir: Path, options: OvosOptions) -> None:
    """Make this process live in `state_dir`; call it before the first OVOS import."""
    os.umask(0o077)
    write(state_dir, options)
    env = variables(state_dir, os.environ)
    keep = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    os.environ.clear()
    os.environ.update(env | keep)


def options_from(arguments: Sequence[str], prog: str) -> tuple[Path, OvosOptions]:
    """Read a launcher's command line."""
    import argparse

    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="TCP port of the bus")
    parser.add_argument(
        "--bus-host",
        default=LOOPBACK,
        help="name or address of the bus; a hub whose name is not loopback listens on every "
        "address, which is for private networks only: the bus knows no passwords",
    )
    parser.add_argument("--language", default="en-US")
    parser.add_argument("--secondary-language", action="append", default=[])
    parser.add_argument("--timezone", default=None, help="IANA name; default the host's")
    parser.add_argument("--blacklist", action="append", default=[], metavar="SKILL_ID")
    parser.add_argument(
        "--allow-network", action="store_true", help="let skills reach other machines"
    )
    parser.add_argument(
        "--no-shipped-intents", action="store_true", help="train the intents from nothing"
    )
    given = parser.parse_args(arguments)
    return given.state_dir, OvosOptions(
        port=given.port,
        bus_host=given.bus_host,
        language=given.language,
        secondary_languages=tuple(given.secondary_language),
        timezone=given.timezone,
        allow_network=given.allow_network,
        blacklisted_skills=tuple(given.blacklist),
        shipped_intents=not given.no_shipped_intents,
    )
