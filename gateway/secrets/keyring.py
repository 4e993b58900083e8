"""Envelope encryption under keys of this installation (PLATFORM 4).

A secret is encrypted by a key of its own, that one by the newest key of the
keyring, a file that only its owner may read. What is encrypted is bound to the
place it stands at: moved to another row, it cannot be read.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORM = "ve1"
KEY_BITS = 256
NONCE_BYTES = 12


class Unreadable(Exception):
    """What is kept cannot be read: another place, a missing key, or a broken text."""


class Keyring:
    """Keys by version; the highest encrypts, the others still decrypt."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = {version: AESGCM(key) for version, key in keys.items()}
        self._newest = max(keys)

    @classmethod
    def load(cls, path: Path) -> Keyring:
        """Read the keyring, making it on first use.

        Raises:
            ValueError: others may read the file, or it holds no keys.
        """
        try:
            found = path.read_text()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            found = _write(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ValueError(f"{path} must be readable by its owner only (chmod 600).")
        try:
            keys = {int(version): _bytes(key) for version, key in json.loads(found).items()}
            return cls(keys)
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"{path} must hold keys of 256 bits by their versions.") from None

    def seal(self, plain: bytes, *, place: str) -> str:
        """Encrypt what stands at a place (`table|column|row|project`)."""
        key, bound = AESGCM.generate_key(KEY_BITS), place.encode()
        wrapped = _encrypted(self._keys[self._newest], key, bound)
        return (
            f"{FORM}:{self._newest}:{_text(wrapped)}:{_text(_encrypted(AESGCM(key), plain, bound))}"
        )

    def open(self, sealed: str, *, place: str) -> bytes:
        """Decrypt what `seal` returned for this place.

        Raises:
            Unreadable: it was not made for this place by a key that we have.
        """
        bound = place.encode()
        try:
            form, version, wrapped, held = sealed.split(":")
            if form != FORM:
                raise Unreadable
            key = _decrypted(self._keys[int(version)], _bytes(wrapped), bound)
            return _decrypted(AESGCM(key), _bytes(held), bound)
        except (InvalidTag, KeyError, ValueError) as error:
            raise Unreadable from error


def _write(path: Path) -> str:
    text = json.dumps({"1": _text(AESGCM.generate_key(KEY_BITS))})
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return text


def _encrypted(key: AESGCM, plain: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, bound)


def _decrypted(key: AESGCM, held: bytes, bound: bytes) -> bytes:
    return key.decrypt(held[:NONCE_BYTES], held[NONCE_BYTES:], bound)


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode())
