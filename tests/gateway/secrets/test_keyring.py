"""What is sealed is read again at its own place only."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from gateway.secrets.keyring import Keyring, Unreadable

PLACE = "client_secrets|sealed|eks_1|proj_1"


def test_sealed_secret_is_read_again_and_does_not_show(tmp_path: Path) -> None:
    """Also by another process with the same file."""
    sealed = Keyring.load(tmp_path / "keyring").seal(b"canary", place=PLACE)
    assert "canary" not in sealed
    assert Keyring.load(tmp_path / "keyring").open(sealed, place=PLACE) == b"canary"


def test_equal_secrets_do_not_look_equal(tmp_path: Path) -> None:
    """Nothing can be told by comparing rows."""
    keyring = Keyring.load(tmp_path / "keyring")
    assert keyring.seal(b"x", place=PLACE) != keyring.seal(b"x", place=PLACE)


@pytest.mark.parametrize("change", ["place", "text", "version", "form", "key"])
def test_secret_that_was_moved_or_changed_is_unreadable(tmp_path: Path, change: str) -> None:
    """A row's text copied to another row, changed, or of a lost key says nothing."""
    keyring = Keyring.load(tmp_path / "keyring")
    sealed, place = keyring.seal(b"canary", place=PLACE), PLACE
    match change:
        case "place":
            place = PLACE.replace("eks_1", "eks_2")
        case "text":
            sealed = f"{sealed[:-8]}{'A' if sealed[-8] != 'A' else 'B'}{sealed[-7:]}"
        case "version":
            sealed = sealed.replace("ve1:1:", "ve1:2:")
        case "form":
            sealed = "canary"
        case _:
            keyring = Keyring.load(tmp_path / "other")
    with pytest.raises(Unreadable):
        keyring.open(sealed, place=place)


def test_newer_key_encrypts_and_the_older_still_decrypts(tmp_path: Path) -> None:
    """A key is rotated by adding a version to the file."""
    path = tmp_path / "keyring"
    old = Keyring.load(path).seal(b"old", place=PLACE)
    keys = json.loads(path.read_text()) | {"2": urlsafe_b64encode(b"k" * 32).decode()}
    path.write_text(json.dumps(keys))
    keyring = Keyring.load(path)
    assert keyring.open(old, place=PLACE) == b"old"
    assert keyring.seal(b"new", place=PLACE).startswith("ve1:2:")


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """A keyring is made for its owner only, and taken only so."""
    path = tmp_path / "keyring"
    Keyring.load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(ValueError, match="owner only"):
        Keyring.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"1": "c2hvcnQ="}', '{"a": "b"}'])
def test_file_without_whole_keys_is_refused(tmp_path: Path, text: str) -> None:
    """A cut-off file must not silently make new keys."""
    path = tmp_path / "keyring"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ValueError, match="256 bits"):
        Keyring.load(path)
