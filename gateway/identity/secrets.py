"""The form of keys and how they are hashed; plain secrets are never stored.

A project key is `sk-ve-<id>-<secret>-<checksum>`: the checksum refuses typing
mistakes before any look-up, the id finds the row, and the row holds only an
HMAC of the secret under the installation's pepper.
"""

from __future__ import annotations

import hmac
import os
import secrets
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

KEY_PREFIX = "sk-ve-"
SECRET_PREFIX = "ek_"  # noqa: S105 -- a prefix, not a secret
PEPPER_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyParts:
    """A well-formed project key, taken apart."""

    key_id: str
    secret: str


def new_key() -> tuple[str, KeyParts]:
    """Return a new key as shown once, and its parts."""
    parts = KeyParts(secrets.token_hex(8), secrets.token_hex(32))
    return _joined(parts), parts


def _joined(parts: KeyParts) -> str:
    body = f"{KEY_PREFIX}{parts.key_id}-{parts.secret}"
    return f"{body}-{zlib.crc32(body.encode()):08x}"


def parse_key(text: str) -> KeyParts | None:
    """Return the parts of a well-formed key, else None."""
    if not text.startswith(KEY_PREFIX) or not text.isascii():
        return None
    pieces = text[len(KEY_PREFIX) :].split("-")
    if len(pieces) != 3:
        return None
    parts = KeyParts(pieces[0], pieces[1])
    return parts if hmac.compare_digest(_joined(parts), text) else None


def new_client_secret(now_s: int) -> str:
    """Return `ek_` and 32 hex characters, the first 8 the time (WIRE 1)."""
    return f"{SECRET_PREFIX}{now_s:08x}{secrets.token_hex(12)}"


def masked(text: str) -> str:
    """Return a credential with its middle hidden, as the service's error shows it."""
    if len(text) <= 12:
        return "*" * len(text)
    return f"{text[:8]}{'*' * min(len(text) - 12, 24)}{text[-4:]}"


class Pepper:
    """The installation's secret for hashing; lost, every key is void."""

    def __init__(self, value: bytes) -> None:
        # Begun once: a copy takes a third of the time, and every connection one.
        self._mac = hmac.new(value, digestmod=sha256)

    @classmethod
    def load(cls, path: Path) -> Pepper:
        """Read the pepper, making it on first use; readable by the owner only.

        Raises:
            ValueError: the file was cut off, which would weaken every key.
        """
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            if len(found) != PEPPER_BYTES:
                raise ValueError(f"{path} must hold {PEPPER_BYTES} bytes.")
            return cls(found)
        value = secrets.token_bytes(PEPPER_BYTES)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
        return cls(value)

    def hash(self, secret: str) -> bytes:
        """Return the 32 bytes that are stored of a secret."""
        mac = self._mac.copy()
        mac.update(secret.encode())
        return mac.digest()
