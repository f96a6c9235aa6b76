"""Downloads, without a network: a stand-in for `urlopen` that serves bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest

from gibbsian.core.errors import DataError
from gibbsian.core.files import cache_folder
from gibbsian.data import download
from gibbsian.data.download import Remote, fetch
from gibbsian.data.load import load
from gibbsian.data.places import download_folder

URL = "https://example.org/sets/points.bin"


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


class Server:
    """Answers by address; counts calls; fails where an exception is stored."""

    def __init__(self, files: dict[str, bytes | Exception]) -> None:
        self.files = files
        self.calls: list[str] = []

    def __call__(self, url: str, timeout: float) -> io.BytesIO:
        self.calls.append(url)
        answer = self.files.get(url, URLError("no route to host"))
        if isinstance(answer, Exception):
            raise answer
        reply = io.BytesIO(answer)
        reply.headers = {"Content-Length": str(len(answer))}
        return reply


@pytest.fixture
def serve(monkeypatch):
    def start(files: dict[str, bytes | Exception]) -> Server:
        server = Server(files)
        monkeypatch.setattr(download, "urlopen", server)
        return server

    return start


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, raw in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def files_in(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*"))


def test_a_good_file_is_kept(tmp_path, serve):
    serve({URL: b"hello" * 1000})
    fetch(Remote(URL, sha(b"hello" * 1000)), tmp_path / "new" / "folder")
    assert files_in(tmp_path / "new" / "folder") == ["points.bin"]
    assert (tmp_path / "new" / "folder" / "points.bin").read_bytes() == b"hello" * 1000


def test_a_wrong_checksum_leaves_nothing(tmp_path, serve):
    serve({URL: b"hello"[:3]})
    with pytest.raises(DataError, match="SHA-256") as error:
        fetch(Remote(URL, sha(b"hello")), tmp_path)
    assert files_in(tmp_path) == [] and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "fault",
    [
        URLError("no route to host"),
        HTTPError(URL, 404, "Not Found", Message(), None),
        TimeoutError("timed out"),
    ],
)
def test_no_network_names_the_folder_and_the_file(tmp_path, serve, fault):
    serve({URL: fault})
    with pytest.raises(DataError) as error:
        fetch(Remote(URL, sha(b"")), tmp_path / "sets")
    assert str(tmp_path / "sets") in str(error.value) and "points.bin" in str(error.value)
    assert "\n" not in str(error.value) and files_in(tmp_path) == ["sets"]


def test_a_connection_that_breaks_off_leaves_nothing(tmp_path, serve, monkeypatch):
    class Breaking(io.BytesIO):
        headers = {"Content-Length": "100"}

        def read(self, n: int = -1) -> bytes:
            raise ConnectionResetError("connection reset by peer")

    monkeypatch.setattr(download, "urlopen", lambda url, timeout: Breaking())
    with pytest.raises(DataError, match="connection reset"):
        fetch(Remote(URL, sha(b"")), tmp_path)
    assert files_in(tmp_path) == []


def test_only_the_wanted_members_are_unpacked_and_only_into_the_folder(tmp_path, serve):
    raw = archive({"pack/a.bin": b"A", "../../evil.bin": b"E", "pack/b.bin": b"B"})
    serve({URL: raw})
    fetch(Remote(URL, sha(raw), ("pack/a.bin", "../../evil.bin")), tmp_path / "in")
    assert files_in(tmp_path) == ["in", "in/a.bin", "in/evil.bin"]


@pytest.mark.parametrize(
    "raw",
    [b"not an archive", archive({"pack/other.bin": b"B"}), archive({"a": b"A"})[:40]],
    ids=["text", "other", "cut"],
)
def test_a_bad_archive_is_one_line(tmp_path, serve, raw):
    serve({URL: raw})
    with pytest.raises(DataError, match="points.bin|a.bin") as error:
        fetch(Remote(URL, sha(raw), ("pack/a.bin",)), tmp_path)
    assert "\n" not in str(error.value) and files_in(tmp_path) == []


def test_a_missing_set_is_fetched_once_and_only_the_part_that_is_asked_for(tmp_path, serve, monkeypatch):
    def idx(values: np.ndarray) -> bytes:
        return gzip.compress(
            bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
        )

    from gibbsian.data import sources

    source = sources.SOURCES["mnist"][0]
    raw = {
        "t10k-images-idx3-ubyte.gz": idx(np.zeros((4, 28, 28), np.uint8)),
        "t10k-labels-idx1-ubyte.gz": idx(np.arange(4, dtype=np.uint8)),
    }
    remotes = {name: Remote(source.remotes[name].url, sha(body)) for name, body in raw.items()}
    monkeypatch.setitem(
        sources.SOURCES, "mnist", (sources.Source(source.folders, source.files, source.read, remotes),)
    )
    server = serve({remotes[name].url: body for name, body in raw.items()})
    monkeypatch.delenv("GIBBSIAN_DATA", raising=False)
    for _ in range(2):
        assert load("mnist", "test", data_dir=tmp_path).y.tolist() == [0, 1, 2, 3]
    assert len(server.calls) == 2 and files_in(tmp_path / "mnist") == sorted(raw)


def test_without_network_cifar_names_its_files(tmp_path, serve, monkeypatch):
    serve({})
    monkeypatch.delenv("GIBBSIAN_DATA", raising=False)
    with pytest.raises(DataError) as error:
        load("cifar10", data_dir=tmp_path)
    text = str(error.value)
    assert "data_batch_1.bin" in text and str(tmp_path / "cifar-10-batches-bin") in text and "\n" not in text


def test_places(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GIBBSIAN_DATA", raising=False)
    assert cache_folder() == tmp_path / "gibbsian"
    assert download_folder() == tmp_path / "gibbsian" / "data"
    monkeypatch.setenv("GIBBSIAN_DATA", str(tmp_path / "mine"))
    assert download_folder() == tmp_path / "mine"
    assert download_folder(tmp_path / "given") == tmp_path / "given"
    (tmp_path / "file").write_text("")
    assert download_folder(tmp_path / "file") == tmp_path / "mine"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "gibbsian"
