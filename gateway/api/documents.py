"""Serves the committed OpenAPI document."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

OPENAPI = Path(__file__).resolve().parents[2] / "openapi" / "realtime.yaml"


class Documents:
    """The endpoint."""

    def __init__(self) -> None:
        self._text = OPENAPI.read_bytes() if OPENAPI.exists() else b""

    async def openapi(self, _request: Request) -> Response:
        """Return the document as it is in the tree."""
        return Response(self._text, media_type="application/yaml")
