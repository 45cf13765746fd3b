from __future__ import annotations

import pickle
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from photograft.config.data import DataConfig
from photograft.data.files import FolderFiles, open_files, read_input
from photograft.data.folders import list_files
from photograft.data.sources import list_source
from photograft.data.unlabelled import list_unlabelled
from photograft.data.url_files import CLIENTS, UrlFiles, kind_of, match_url
from photograft.data.urls import UrlPath, is_url, source_path, split_url
from photograft.errors import ConfigError, DataError, ImageRejected, MissingExtraError

fsspec = pytest.importorskip("fsspec", reason="needs the extra ray: fsspec is not installed")


@pytest.fixture
def bucket() -> Iterator[str]:
    """A folder of its own in the store that fsspec keeps in memory."""
    url = f"memory://{uuid.uuid4().hex}/사진 모음"
    yield url
    fsspec.filesystem("memory").rm(url.removeprefix("memory:/").rpartition("/")[0], recursive=True)


def put(url: str, content: bytes = b"photo") -> None:
    fsspec.filesystem("memory").pipe_file(url.removeprefix("memory:/"), content)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_folder_at_a_url_is_read_like_one_on_a_disk(kind: str, bucket: str, tmp_path: Path) -> None:
    names = ("a b/장미 1.jpg", "a b/c/2.jpg", "x::y[1]#?.jpg")
    url = bucket if kind == "memory" else f"file://{tmp_path.as_posix()}"
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
        put(f"{bucket}/{name}", name.encode())
    files = UrlFiles(url)
    assert sorted((e.name, e.is_folder) for e in files.entries("")) == [("a b", True), ("x::y[1]#?.jpg", False)]
    assert sorted((e.name, e.is_folder) for e in files.entries("a b")) == [("c", True), ("장미 1.jpg", False)]
    for name in names:
        data, status = files.read(name, max_file_mb=1)
        assert data == name.encode()
        assert status == files.status(name, max_file_mb=1)
        assert status.size_bytes == len(data)
    assert (str(files.root), files.notes, files.position(names[0])) == (url, (), 0)
    listed = list_files(FolderFiles(tmp_path), DataConfig()).files
    assert list_files(files, DataConfig()).files == listed
    assert [found.path for found in listed] == ["a b/c/2.jpg", "a b/장미 1.jpg", "x::y[1]#?.jpg"]


@pytest.mark.parametrize("kind", ["memory", "file", "disk"])
@pytest.mark.parametrize(
    ("name", "verdict", "reason"),
    [
        ("none.jpg", "unreadable", "the system cannot read it: No such file or directory"),
        ("no folder/none.jpg", "unreadable", "the system cannot read it: No such file or directory"),
        ("folder", "unreadable", "it is a folder, not a regular file"),
        ("empty.jpg", "empty", "the file has no bytes"),
        ("large.jpg", "too_large_file", "1 MB are more than the setting data.max_file_mb allows (1)"),
    ],
)
def test_what_cannot_be_read_has_the_reason_that_it_has_on_a_disk(
    kind: str, name: str, verdict: str, reason: str, bucket: str, tmp_path: Path
) -> None:
    for own, content in (("empty.jpg", b""), ("large.jpg", bytes(1_000_001)), ("folder/1.jpg", b"photo")):
        (tmp_path / own).parent.mkdir(exist_ok=True)
        (tmp_path / own).write_bytes(content)
        put(f"{bucket}/{own}", content)
    roots = {
        "memory": UrlFiles(bucket),
        "file": UrlFiles(f"file://{tmp_path.as_posix()}"),
        "disk": FolderFiles(tmp_path),
    }
    for look in (roots[kind].status, roots[kind].read):
        with pytest.raises(ImageRejected) as caught:
            look(name, max_file_mb=1)
        assert (caught.value.verdict, caught.value.reason) == (verdict, reason)


def test_the_size_is_asked_for_before_an_object_is_read(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(f"{bucket}/large.jpg", bytes(1_000_001))
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", None)
    with pytest.raises(ImageRejected, match="too_large_file"):
        UrlFiles(bucket).read("large.jpg", max_file_mb=1)


def test_an_object_that_shrinks_meanwhile_is_rejected(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(f"{bucket}/a.jpg", b"photo")
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", lambda *_, **__: b"pho")
    with pytest.raises(ImageRejected, match="it has 3 bytes, and the store said 5"):
        UrlFiles(bucket).read("a.jpg", max_file_mb=1)


class Web(fsspec.AbstractFileSystem):  # type: ignore[name-defined, misc]
    """A web server that says 5 bytes and sends without end, in pieces of up to 4."""

    protocol = "https"
    cachable = False
    sent = 0

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "type": "file", "size": 5, "ETag": "1"}

    def cat_file(self, *_: Any, **__: Any) -> bytes:
        raise AssertionError("the client would read all that comes")

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **_: Any) -> Any:
        assert (mode, block_size) == ("rb", 0)  # blocks are asked for one by one, and read whatever they hold
        return self

    def read(self, size: int) -> bytes:
        Web.sent += min(size, 4)
        return b"a" * min(size, 4)

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_of_a_web_server_one_byte_more_than_it_said_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry

    monkeypatch.setitem(_registry, "https", Web)
    monkeypatch.setattr(Web, "sent", 0)
    with pytest.raises(ImageRejected, match="unreadable: it has more than 5 bytes, and the store said 5"):
        read_input("https://host/a.jpg", max_file_mb=1)
    assert Web.sent == 6


class Page(BaseHTTPRequestHandler):
    """`/a.jpg` is a photo; `/more.jpg` says that it has 5 bytes and sends 400 MB, whatever part is asked for."""

    protocol_version = "HTTP/1.1"
    sent = 0

    def do_HEAD(self) -> None:
        self.send_response(404 if self.path == "/none.jpg" else 200)
        self.send_header("Content-Length", "5")
        self.send_header("ETag", '"1"')
        self.end_headers()

    def do_GET(self) -> None:
        if self.path != "/more.jpg":
            self.do_HEAD()
            self.wfile.write(b"photo")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with suppress(ConnectionError):
            for _ in range(400):
                self.wfile.write(b"%x\r\n%s\r\n" % (1_000_000, bytes(1_000_000)))
                Page.sent += 1_000_000
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        pass


def test_a_photo_is_read_from_a_web_server_that_knows_no_parts() -> None:
    pytest.importorskip("aiohttp", reason="needs aiohttp, the client of web servers")
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        data, status = read_input(f"{url}/a.jpg?sig=x%2Fy", max_file_mb=1)
        assert (data, status.size_bytes) == (b"photo", 5)
        with pytest.raises(ImageRejected, match="No such file or directory"):
            read_input(f"{url}/none.jpg", max_file_mb=1)
        with pytest.raises(ImageRejected, match="unreadable: it has more than 5 bytes, and the store said 5"):
            read_input(f"{url}/more.jpg", max_file_mb=1)
        server.shutdown()
    assert Page.sent < 100_000_000  # what fits between the two before the client hangs up


def test_a_store_that_refuses_stops_a_listing_and_costs_one_photo_its_row(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("403 Forbidden")

    put(f"{bucket}/a.jpg")
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "ls", refuse)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", refuse)
    with pytest.raises(DataError, match=r"cannot be listed: 403 Forbidden\.$"):
        list_files(UrlFiles(bucket), DataConfig())
    with pytest.raises(DataError, match=r"cannot be opened: 403 Forbidden\.$"), open_files(source_path(bucket)):
        pass
    with pytest.raises(ImageRejected, match="unreadable: the store cannot read it: 403 Forbidden"):
        UrlFiles(bucket).read("a.jpg", max_file_mb=1)


def test_the_status_changes_with_the_object_and_says_nothing_where_the_store_does_not(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(f"{bucket}/a.jpg", b"photo")
    files = UrlFiles(bucket)
    before = files.status("a.jpg", max_file_mb=1)
    put(f"{bucket}/a.jpg", b"other")
    assert files.status("a.jpg", max_file_mb=1) != before

    def answer(**info: Any) -> None:
        info |= {"type": "file", "size": 5, "name": "a.jpg"}
        monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", lambda *_, **__: info)

    answer(ETag='"1"', LastModified="2026-01-01T00:00:00+00:00")
    first = files.status("a.jpg", max_file_mb=1)
    assert first.mtime_ns == 1_767_225_600 * 10**9
    answer(ETag='"2"', LastModified="2026-01-01T00:00:00+00:00")
    assert files.status("a.jpg", max_file_mb=1) != first
    answer(blob_id="1f2e")
    assert files.status("a.jpg", max_file_mb=1) == files.status("a.jpg", max_file_mb=1)
    answer()
    assert files.status("a.jpg", max_file_mb=1) != files.status("a.jpg", max_file_mb=1)


def test_files_are_pickled_and_read_by_any_thread(bucket: str) -> None:
    put(f"{bucket}/a.jpg")
    files = pickle.loads(pickle.dumps(UrlFiles(bucket)))
    read: list[bytes] = []
    threads = [threading.Thread(target=lambda: read.append(files.read("a.jpg", max_file_mb=1)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [b"photo"] * 4


def test_open_files_opens_a_url_and_refuses_what_is_no_folder(bucket: str, tmp_path: Path) -> None:
    put(f"{bucket}/a.zip")
    with open_files(source_path(bucket)) as files:
        assert files == UrlFiles(bucket)
    with open_files(Path(bucket)) as files:  # as a command line hands a path over
        assert files == UrlFiles(bucket)
    with pytest.raises(DataError, match="does not exist, or nothing is in it"), open_files(source_path(f"{bucket}/no")):
        pass
    with pytest.raises(DataError, match="archives are read from a disk"), open_files(source_path(f"{bucket}/a.zip")):
        pass
    assert (kind_of(bucket), kind_of(f"{bucket}/a.zip"), kind_of(f"{bucket}/no")) == ("folder", "file", None)
    with open_files(source_path(f"file://{tmp_path.as_posix()}")) as files:
        assert files == FolderFiles(tmp_path)


def test_patterns_match_objects(bucket: str) -> None:
    for name in ("b.jpg", "a.jpg", "c.png", "d.jpg/x.jpg"):
        put(f"{bucket}/{name}")
    assert match_url(f"{bucket}/*.jpg") == [f"{bucket}/a.jpg", f"{bucket}/b.jpg"]
    assert match_url(f"{bucket}/**/x.*") == [f"{bucket}/d.jpg/x.jpg"]
    assert match_url(f"{bucket}/*.gif") == []


def test_class_folders_at_a_url_give_the_rows_of_the_same_on_a_disk(bucket: str, tmp_path: Path) -> None:
    for name in ("train/장미/1.jpg", "train/daisy/2.jpg", "test/daisy/3.jpg", "test/.hidden", "test/장미/Thumbs.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"photo")
        put(f"{bucket}/{name}")
    on_disk, at_url = (list_source(source_path(place), DataConfig()) for place in (str(tmp_path), bucket))
    assert at_url.files == on_disk.files
    assert (at_url.classes, at_url.notes) == (on_disk.classes, on_disk.notes)
    assert at_url.root == UrlPath(bucket)
    assert {f.path: f.part for f in list_unlabelled(Path(bucket), DataConfig()).files} == {
        "test/daisy/3.jpg": "test",
        "train/daisy/2.jpg": "train",
        "train/장미/1.jpg": "train",
    }


def test_a_table_at_a_url_names_photos_beside_it_and_one_on_a_disk_photos_at_urls(bucket: str, tmp_path: Path) -> None:
    for name in ("p/1.jpg", "p/2.jpg"):
        put(f"{bucket}/{name}")
    put(f"{bucket}/labels.csv", b"path,label\np/1.jpg,rose\np/2,daisy\n./p/../p/3.jpg,daisy\n")
    listing = list_source(source_path(f"{bucket}/labels.csv"), DataConfig())
    assert [(f.path, f.label) for f in listing.files] == [
        *(("p/1.jpg", "rose"), ("p/2.jpg", "daisy"), ("p/3.jpg", "daisy"))
    ]
    assert "1 files of the table are not there: p/3.jpg" in listing.notes[-1]
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{bucket}/p/1.jpg,rose\n{bucket}/p/2.JPG,daisy\n", "utf-8")
    listing = list_source(table, DataConfig())
    assert [f.path for f in listing.files] == [f"{bucket}/p/1.jpg", f"{bucket}/p/2.jpg"]
    with open_files(listing.root) as files:
        assert files.read(listing.files[0].path, max_file_mb=1)[0] == b"photo"
        assert files.status(listing.files[0].path, max_file_mb=1).size_bytes == 5


@pytest.mark.parametrize("path", ["{folder}/1.jpg", "file://{folder}/1.jpg", "local://{folder}/1.jpg"])
def test_a_table_in_a_store_names_no_photos_on_the_disk(path: str, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"photo")
    path = path.format(folder=tmp_path.as_posix())
    put(f"{bucket}/2.jpg")
    put(f"{bucket}/labels.csv", f"path,label\n{path},rose\n2.jpg,daisy\n".encode())
    listing = list_source(source_path(f"{bucket}/labels.csv"), DataConfig())
    assert f"1 files of the table are not there: {path}" in listing.notes[-1]
    with open_files(listing.root) as files:
        for look in (files.status, files.read):
            with pytest.raises(ImageRejected, match="unreadable: the system cannot read it: No such file or directory"):
                look(path, max_file_mb=1)


def test_a_password_in_a_table_with_labels_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    for url in ("https://TOKEN@host/1.jpg", "HTTPS://me:TOKEN@host/1.jpg", f"s3://KEY:TOKEN@b/{'p/' * 2000}1.jpg"):
        table.write_text(f"path,label\n{url},rose\n", "utf-8")
        with pytest.raises(ConfigError, match=r"^A URL of \w+://\w+ holds a password or token") as caught:
            list_source(table, DataConfig())
        assert "TOKEN" not in str(caught.value)


def test_one_photo_is_read_by_its_url_unless_a_file_has_that_name(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(f"{bucket}/a.jpg")
    assert read_input(f"{bucket}/a.jpg", max_file_mb=1)[0] == b"photo"
    assert read_input(UrlPath(bucket) / "a.jpg", max_file_mb=1)[0] == b"photo"
    monkeypatch.chdir(tmp_path)
    if sys.platform != "win32":
        own = Path("memory:/a/b.jpg")
        own.parent.mkdir(parents=True)
        own.write_bytes(b"own")
        assert read_input("memory://a/b.jpg", max_file_mb=1)[0] == b"own"


@pytest.mark.parametrize("kind", ["s3", "gs", "abfs", "https"])
def test_the_client_that_is_missing_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry, known_implementations

    module = known_implementations[kind]["class"].rpartition(".")[0].partition(".")[0]
    monkeypatch.setitem(sys.modules, module if module != "fsspec" else "aiohttp", None)
    monkeypatch.delitem(sys.modules, known_implementations[kind]["class"].rpartition(".")[0], raising=False)
    monkeypatch.delitem(_registry, kind, raising=False)
    with pytest.raises(
        ConfigError, match=rf"^{kind}:// needs the package {CLIENTS[kind]}: pip install {CLIENTS[kind]}$"
    ):
        UrlFiles(f"{kind}://photos/a").entries("")


def test_urls_that_nothing_opens_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no kind of store is called foo://"):
        kind_of("foo://photos/a.jpg")
    with pytest.raises(ConfigError, match="holds a password") as caught:
        source_path("ftp://me:geheim@host/photos")
    assert "geheim" not in str(caught.value)
    for url in (
        "https://geheim@host/photos",
        "http://@host",
        "FTP://me@host/a",
        "s3://KEY:geh/geheim@host/a.jpg",
        "https://me:ge/heim/geheim@host",
        "s3://KEY:12345@host",
    ):
        with pytest.raises(ConfigError, match="holds a password or token") as caught:
            source_path(url)
        assert "geh" not in str(caught.value) and "://host holds" in str(caught.value)
    assert split_url("https://host/@me/a.jpg") == ("https://host", "@me/a.jpg")
    for url in (
        "https://host:8080/a@b.jpg",
        "https://host?x=a@b.jpg",
        "http://[::1]:80/a@b",
        "file:///10:30@home/a.jpg",
    ):
        split_url(url)
    assert split_url("abfs://photos@account.dfs.core.windows.net/a") == (
        "abfs://photos@account.dfs.core.windows.net",
        "a",
    )
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"photograft\[ray\]"):
        kind_of("memory://photos")


def test_urls_are_told_from_paths() -> None:
    assert all(map(is_url, ("s3://b", "s3://b/a b.jpg", "file:///a", "hf://datasets/x/y", "S3://b")))
    assert not any(map(is_url, ("a.jpg", "s3:/b", "C://a", "/a://b", "http:", "", "a/s3://b")))
    assert source_path("file:///a b/c") == Path("/a b/c") == source_path(Path("file:///a b/c"))
    assert source_path("photos") == Path("photos")
    assert type(source_path("photos")) is type(Path())


def test_a_url_joins_and_prints_as_a_path() -> None:
    url = source_path("s3://bucket/a b")
    assert str(url / "c" / "장미.jpg") == "s3://bucket/a b/c/장미.jpg"
    assert (str(url.parent), url.name, str(url.absolute()), str(url.resolve())) == (
        "s3://bucket",
        "a b",
        *[str(url)] * 2,
    )
    assert url.is_dir()
    assert str(source_path(Path("local:///a b"))) == "local:///a b"
    assert source_path(Path("s3://bucket/a b")) == url == pickle.loads(pickle.dumps(url))
    assert str(pickle.loads(pickle.dumps(url))) == "s3://bucket/a b"
