"""The long and heavy tests: collected by `make soak` only."""

from __future__ import annotations

import os

from tests.functional.conftest import plain_server, voice_server

__all__ = ["plain_server", "voice_server"]

collect_ignore_glob = [] if os.environ.get("VOICEENGINE_SOAK") else ["test_*.py"]
