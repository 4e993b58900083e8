"""The trained intents that are shipped, so that a first start does not train for a minute.

Training is deterministic enough to be shared, but belongs to the exact versions of
the skills: the archive carries the hash of `requirements/skills.lock`. Padatious
checks each intent against its training data, so a stale archive is slow, never wrong.
It stays a tarball, since the file names hold characters some file systems refuse.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).with_name("intent_cache.tar.gz")
LOCK = Path(__file__).parents[2] / "requirements" / "skills.lock"
_STAMP = "skills.lock.sha256"


def lock_hash() -> str:
    """Return the hash of the lock file, empty where there is none (an installed package)."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else ""


def archive_hash(archive: Path = ARCHIVE) -> str | None:
    """Return the lock hash that an archive was made for, None when there is no archive."""
    if not archive.is_file():
        return None
    with tarfile.open(archive) as tar:
        member = tar.extractfile(_STAMP)
        return member.read().decode("ascii") if member else None


def unpack(target: Path, archive: Path | None = ARCHIVE) -> str:
    """Fill an absent cache folder from the archive; return a phrase on what was done."""
    if target.is_dir() and any(target.iterdir()):
        return "with the intents trained before"
    if archive is None or not archive.is_file():
        return "training intents first, about a minute"
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is None or member.name == _STAMP or ".." in Path(member.name).parts:
                continue
            path = target / member.name.lstrip("/")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content.read())
    return "with the shipped intents"


def pack(source: Path, archive: Path = ARCHIVE) -> int:
    """Write the archive from a trained cache folder, the same bytes each time; return files."""
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, _STAMP, lock_hash().encode("ascii"))
        for path in paths:
            _add(tar, path.relative_to(source).as_posix(), path.read_bytes())
    archive.write_bytes(_gzip(buffer.getvalue()))
    return len(paths)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o600
    tar.addfile(member, io.BytesIO(content))


def _gzip(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, compresslevel=9, mtime=0)
