"""The form of credentials."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.secrets import (
    KEY_PREFIX,
    Pepper,
    masked,
    new_client_secret,
    new_key,
    parse_key,
)


class TestProjectKey:
    """`sk-ve-<id>-<secret>-<checksum>`."""

    def test_new_key_reads_back(self) -> None:
        """What is printed is what is checked, and the secret has 256 bits."""
        text, parts = new_key()
        assert text.startswith(KEY_PREFIX)
        assert parse_key(text) == parts
        assert len(bytes.fromhex(parts.secret)) == 32

    def test_keys_are_never_alike(self) -> None:
        """Neither the id nor the secret repeats."""
        keys = [new_key()[1] for _ in range(100)]
        assert len({key.key_id for key in keys}) == 100
        assert len({key.secret for key in keys}) == 100

    @given(st.integers(0, 95), st.characters())
    def test_typing_mistake_is_refused_before_any_lookup(self, place: int, other: str) -> None:
        """The checksum finds a changed character."""
        text, _ = new_key()
        at = place % len(text)
        changed = text[:at] + other + text[at + 1 :]
        assert (parse_key(changed) is not None) == (changed == text)

    @given(st.text())
    def test_any_text_is_answered_without_a_fault(self, text: str) -> None:
        """A credential is whatever a stranger sends."""
        assert parse_key(text) is None
        assert parse_key(KEY_PREFIX + text) is None


class TestClientSecret:
    """`ek_` and 32 hex characters (WIRE 1)."""

    def test_form_is_the_services(self) -> None:
        """The first eight characters are the time."""
        text = new_client_secret(0x68AF296E)
        assert text.startswith("ek_68af296e")
        assert len(text) == 35
        int(text.removeprefix("ek_"), 16)


class TestMasked:
    """What an error shows of a key."""

    @given(st.text(min_size=1))
    def test_most_of_a_key_is_hidden(self, text: str) -> None:
        """At most twelve characters come back, and none of a short one."""
        shown = masked(text)
        assert sum(a == b != "*" for a, b in zip(shown, text, strict=False)) <= 12
        assert len(shown) <= 36
        if len(text) <= 12:
            assert set(shown) == {"*"}


class TestPepper:
    """The installation's secret."""

    def test_made_once_and_readable_by_its_owner_only(self, tmp_path: Path) -> None:
        """A second load reads the same secret; the file's mode is 0600."""
        path = tmp_path / "new" / "pepper"
        first = Pepper.load(path)
        assert Pepper.load(path).hash("x") == first.hash("x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_hash_depends_on_the_pepper(self) -> None:
        """A stolen table is worth nothing without it."""
        assert Pepper(b"a" * 32).hash("x") != Pepper(b"b" * 32).hash("x")

    @pytest.mark.parametrize("length", [0, 5, 31])
    def test_short_pepper_is_refused(self, tmp_path: Path, length: int) -> None:
        """A file that was cut off does not silently weaken every key."""
        path = tmp_path / "pepper"
        path.write_bytes(b"x" * length)
        with pytest.raises(ValueError, match="32 bytes"):
            Pepper.load(path)
