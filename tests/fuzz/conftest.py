"""The server that the functional tests use, too."""

from __future__ import annotations

from tests.functional.conftest import plain_server

__all__ = ["plain_server"]
