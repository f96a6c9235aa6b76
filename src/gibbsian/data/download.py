"""Fetch a public file: progress bar, SHA-256 before use, written aside and renamed.

Nothing half written is ever found under the final name, and nothing unchecked either.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, BinaryIO
from urllib.error import URLError
from urllib.request import urlopen

from tqdm import tqdm

from ..core.errors import DataError

CHUNK = 1 << 20


@dataclass(frozen=True)
class Remote:
    """A public file and its checksum. With `members` it is a .tar.gz of which only those are kept."""

    url: str
    sha256: str
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


def fetch(remote: Remote, folder: Path) -> None:
    """Put the file, or an archive's members, into `folder`.

    Raises `DataError` without network, on a wrong checksum, on a bad archive and on a full disk.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as aside:
            part = Path(aside) / remote.name
            _check(_stream(remote, part), remote)
            _keep(part, remote, folder)
    except (OSError, HTTPException, EOFError, zlib.error, tarfile.TarError) as error:
        wanted = ", ".join(Path(member).name for member in remote.members) or remote.name
        reason = str(error.reason if isinstance(error, URLError) else error).splitlines()[0]
        raise DataError(f"could not download {remote.url} ({reason}): put {wanted} into {folder}") from error


def _stream(remote: Remote, target: Path) -> str:
    """Download to `target`; returns the SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with _reply(remote.url) as (source, total), open(target, "wb") as sink:
        with tqdm(total=total, unit="B", unit_scale=True, desc=remote.name, disable=None) as bar:
            while block := source.read(CHUNK):
                sink.write(block)
                digest.update(block)
                bar.update(len(block))
    return digest.hexdigest()


@contextmanager
def _reply(url: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The body of `url` and its length where the server tells."""
    with urlopen(url, timeout=30) as reply:
        length = reply.headers.get("Content-Length")
        yield reply, int(length) if length else None


def _check(found: str, remote: Remote) -> None:
    if found != remote.sha256:
        raise DataError(
            f"{remote.url} has SHA-256 {found[:16]}..., expected {remote.sha256[:16]}...: the download was "
            "cut short or the file has changed; nothing was kept, try again"
        )


def _keep(part: Path, remote: Remote, folder: Path) -> None:
    """Move what was asked for into place."""
    if not remote.members:
        _rename(part, folder / remote.name)
        return
    with tarfile.open(part) as archive:
        for member in remote.members:
            _extract(archive, member, part.parent, folder)


def _extract(archive: tarfile.TarFile, member: str, aside: Path, folder: Path) -> None:
    """One regular member, by its own last name only: an archive cannot choose where it writes."""
    try:
        source: IO[bytes] | None = archive.extractfile(member)
    except KeyError:
        source = None
    if source is None:
        raise DataError(f"the archive holds no file {member}")
    name = Path(member).name
    with open(aside / name, "wb") as sink:
        while block := source.read(CHUNK):
            sink.write(block)
    _rename(aside / name, folder / name)


def _rename(part: Path, target: Path) -> None:
    with open(part, "rb+") as handle:
        os.fsync(handle.fileno())
    os.replace(part, target)
