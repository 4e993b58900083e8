"""Pages and their parts as files, under a policy that lets nothing in from elsewhere."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

FOLDER: Final = Path(__file__).parent / "static" / "playground"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; img-src 'self' data:; worker-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "microphone=(self), camera=()",
    # Without a referrer the browser would name no origin when a form is sent.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
UNKEPT: Final = {**HEADERS, "Cache-Control": "no-store"}
"""For what says who somebody is or what they may open."""


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


def _file(path: Path) -> _File:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(content, kind, f'"{sha256(content).hexdigest()[:32]}"')


_FILES: Final = {path.name: _file(path) for path in FOLDER.iterdir()}
"""Few and small; read once."""


def part(request: Request, name: str) -> Response | None:
    """Return a file that holds no secret, 304 where the browser has it, None for another name."""
    file = _FILES.get(name)
    if file is None:
        return None
    headers = {**HEADERS, "etag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def unkept(name: str, *, status: int = 200) -> Response:
    """Return a page that no cache keeps."""
    file = _FILES[name]
    return Response(file.content, status_code=status, media_type=file.media_type, headers=UNKEPT)
