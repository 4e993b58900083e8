"""Quiets OVOS's log: skills quote callers, so their lines go to a private file only.

The stock logger walks the whole call stack for every line, written or not; that
costs more than most skills do. Only warnings and worse are kept here.
"""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path
from typing import Any

MAX_BYTES = 2_000_000


def quiet(state_dir: Path, name: str) -> logging.Logger:
    """Send warnings of OVOS to `state/<name>.log` and drop the rest; return that logger."""
    from ovos_utils.log import LOG

    logger = logging.getLogger("voiceengine.ovos")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    handler = logging.handlers.RotatingFileHandler(
        state_dir / "state" / f"{name}.log", maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(module)s: %(message)s"))
    logger.addHandler(handler)

    def ignore(*_args: Any, **_kwargs: Any) -> None:
        return None

    for level in ("debug", "info"):
        setattr(LOG, level, ignore)
    for level in ("warning", "error", "exception"):
        setattr(LOG, level, getattr(logger, level))
    LOG.create_logger = classmethod(lambda _cls, *_args, **_kwargs: logger)
    return logger


def say(line: str) -> None:
    """Print a line of progress for whoever supervises the process."""
    print(line, flush=True)
