from __future__ import annotations

import io
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from photograft.config.data import DataConfig
from photograft.data.files import FolderFiles
from photograft.data.folders import list_files, walk_files
from photograft.data.inputs import expand_inputs
from photograft.errors import ConfigError, DataError, MissingExtraError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"photo")


def expand(*inputs: str) -> list[str]:
    return list(expand_inputs(inputs))


def write_parquet(name: str, **columns: Any) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra ray: pyarrow is not installed")
    import pyarrow.parquet

    Path(name).parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pa.table(columns), name, row_group_size=2)


def test_photos_of_a_folder_come_sorted_as_text_and_without_being_held() -> None:
    names = ["a b.jpg", "a-b/1.jpg", "a.jpg", "a/1.jpg", "a/b/c.jpg", "a/b.jpg", "a/b-c/1.jpg", "장미/1.jpg", "Z.jpg"]
    make(*(f"photos/{name}" for name in names))
    assert list(walk_files(FolderFiles(Path("photos")), DataConfig())) == sorted(names)
    assert [found.path for found in list_files(FolderFiles(Path("photos")), DataConfig()).files] == sorted(names)
    assert expand("photos") == [os.path.join("photos", *name.split("/")) for name in sorted(names)]
    walk = walk_files(FolderFiles(Path("photos")), DataConfig())
    next(walk)
    make("photos/장미/2.jpg")  # a folder is listed when it is its turn
    assert "장미/2.jpg" in list(walk)


def test_folders_reached_twice_by_links_count_once(tmp_path: Path) -> None:
    make("photos/a/1.jpg", "photos/c/d/2.jpg")
    try:
        for link, target in (("photos/b", "a"), ("photos/c/up", "../../photos")):
            os.symlink(target, link, target_is_directory=True)
    except OSError:
        pytest.skip("needs symbolic links")
    assert expand("photos") == [os.path.join("photos", "a", "1.jpg"), os.path.join("photos", "c", "d", "2.jpg")]


def test_a_text_behind_an_at_sign_is_read_like_stdin() -> None:
    lines = b"\xef\xbb\xbfa.jpg\r\n\n  \n b c/\xec\x9e\xa5\xeb\xaf\xb8.jpg\ns3://bucket/d.jpg\n/e.jpg"
    Path("my list.txt").write_bytes(lines)
    assert expand("@my list.txt") == ["a.jpg", " b c/장미.jpg", "s3://bucket/d.jpg", "/e.jpg"]
    without_mark = lines.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    assert expand("@my list.txt") == list(expand_inputs(["-"], stdin=without_mark))
    if sys.platform == "linux":
        Path("my list.txt").write_bytes(b"\xff.jpg\n")
        assert expand("@my list.txt") == [os.fsdecode(b"\xff.jpg")]


def test_a_file_whose_name_begins_with_an_at_sign_stays_a_photo() -> None:
    make("@a.jpg")
    assert expand("@a.jpg", "list.txt") == ["@a.jpg", "list.txt"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_paths_of_a_table_are_relative_to_its_folder(separator: str) -> None:
    Path("tables 1").mkdir()
    rows = [
        ("label", "file name", "Image"),
        ("rose", "x", "장미.jpg"),
        ("", "", ""),
        ("a", "y", "/abs.jpg"),
        ("b", "z", '"b.jpg"'),
    ]
    text = "\n".join(separator.join(row) if any(row) else "" for row in rows)
    Path("tables 1/t.csv").write_text(f"\ufeff{text}\n", "utf-8")
    inside = os.path.join("tables 1", "")
    assert expand("@tables 1/t.csv") == [f"{inside}장미.jpg", "/abs.jpg", f"{inside}b.jpg"]
    assert expand("@tables 1/t.csv:file name") == [f"{inside}x", f"{inside}y", f"{inside}z"]


def test_parquet_tables_need_no_at_sign() -> None:
    write_parquet("t/photos.parquet", path=["a.jpg", "b/장미.jpg", "/abs.jpg"], other=["1", "2", "3"], label=["x"] * 3)
    inside = os.path.join("t", "")
    paths = [f"{inside}a.jpg", os.path.join("t", "b", "장미.jpg"), "/abs.jpg"]
    assert expand("t/photos.parquet") == expand("@t/photos.parquet") == paths
    assert expand("t/photos.parquet:other") == [f"{inside}1", f"{inside}2", f"{inside}3"]
    assert expand("a.jpg", "t/photos.parquet", "b.jpg") == ["a.jpg", *paths, "b.jpg"]


def test_a_folder_of_parquet_is_one_table() -> None:
    for n in (2, 1):
        write_parquet(f"t.parquet/day={n}/part.parquet", image=[f"{n}.jpg"])
    write_parquet("t.parquet/_metadata.parquet", image=["no.jpg"])
    Path("t.parquet/_SUCCESS").touch()
    assert expand("t.parquet") == expand("@t.parquet/") == [os.path.join("t.parquet", f"{n}.jpg") for n in (1, 2)]
    os.rename("t.parquet", "tables")
    os.remove("tables/_SUCCESS")
    with pytest.raises(DataError, match=r"tables: no photos in this folder. It holds Parquet tables: give @tables"):
        expand("tables")
    assert expand("@tables") == expand("@tables/:image") == [os.path.join("tables", f"{n}.jpg") for n in (1, 2)]


def test_bytes_and_categories_are_paths_too() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra ray: pyarrow is not installed")
    write_parquet("b.parquet", path=pa.array([b"a.jpg", b"\xec\x9e\xa5.jpg"]))
    write_parquet("c.parquet", path=pa.array(["a.jpg", "b.jpg", "a.jpg"]).dictionary_encode())
    assert expand("b.parquet") == ["a.jpg", "장.jpg"]
    assert expand("c.parquet") == ["a.jpg", "b.jpg", "a.jpg"]
    for kind in (pa.string_view(), pa.large_string(), pa.binary_view(), pa.large_binary()):
        write_parquet("d.parquet", path=pa.array([b"a.jpg", b"\xec\x9e\xa5.jpg"]).cast(kind))
        assert expand("d.parquet") == ["a.jpg", "장.jpg"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("@none.txt", r"none.txt cannot be read: No such file or directory\.$"),
        ("none.parquet", r"none.parquet cannot be read: No such file or directory\.$"),
        ("@folder", r"folder: no Parquet files in this folder\.$"),
        ("@photo.jpg", r"photo.jpg is no text: give a text with one path per line"),
        (
            "@t.csv",
            r"t.csv has no column for paths: name one behind a colon, as in t.csv:NAME. Its columns are: a, b\.$",
        ),
        ("@t.csv:c", r"t.csv has no column 'c'.* Its columns are: a, b\.$"),
        ("@t.csv:b", r"t.csv:3: no path in the column 'b'\.$"),
        ("@korean.csv", r"korean.csv is not UTF-8: save it as CSV \(UTF-8\), or as Parquet\.$"),
        ("@quote.csv", r"quote.csv cannot be read as a table: "),
        ("broken.parquet", r"broken.parquet cannot be read as Parquet: "),
        ("n.parquet:n", r"n.parquet: the column 'n' holds no text but int64; paths are needed\.$"),
        ("n.parquet", r"n.parquet: row 2 has no path in the column 'path'\.$"),
        ("n.parquet:korean", r"n.parquet cannot be read as Parquet: it holds text that is not UTF-8 .* anew\.$"),
    ],
)
def test_lists_that_cannot_be_read_say_why(given: str, message: str) -> None:
    Path("folder").mkdir()
    Path("photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    Path("t.csv").write_text("a,b\n1,2\n3,\n", "utf-8")
    Path("korean.csv").write_bytes("path,라벨\n".encode("cp949"))
    Path("quote.csv").write_text('path\n"a.jpg\n', "utf-8")
    Path("broken.parquet").write_bytes(b"PAR1 and nothing else")
    pa = pytest.importorskip("pyarrow", reason="needs the extra ray: pyarrow is not installed")
    korean = pa.array(["장미.jpg".encode("cp949")] * 2).view(pa.string())
    write_parquet("n.parquet", path=["a.jpg", None], n=[1, 2], korean=korean)
    with pytest.raises(DataError, match=message):
        expand(given)


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    make("photos.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"Reading photos.parquet needs .*photograft\[ray\]"):
        expand("photos.parquet")


class TestUrls:
    @pytest.fixture
    def bucket(self) -> Iterator[str]:
        fsspec = pytest.importorskip("fsspec", reason="needs the extra ray: fsspec is not installed")
        store, name = fsspec.filesystem("memory"), f"/{uuid.uuid4().hex}"
        for photo in ("b.jpg", "a/장미 1.jpg", "a-b/2.jpg", "x::y[1].jpg", "notes.txt", ".hidden.jpg"):
            store.pipe_file(f"{name}/{photo}", b"photo")
        yield f"memory:/{name}"
        store.rm(name, recursive=True)

    def test_folders_objects_and_patterns(self, bucket: str) -> None:
        every = [f"{bucket}/{name}" for name in ("a-b/2.jpg", "a/장미 1.jpg", "b.jpg", "x::y[1].jpg")]
        assert expand(bucket) == expand(f"{bucket}/") == every
        assert expand(f"{bucket}/b.jpg", f"{bucket}/x::y[1].jpg") == [every[2], every[3]]
        assert expand(f"{bucket}/*/*.jpg") == every[:2]
        assert expand(f"{bucket}/none.jpg") == [f"{bucket}/none.jpg"]
        with pytest.raises(DataError, match=r"\*\.gif: no object matches this pattern"):
            expand(f"{bucket}/*.gif")

    def test_a_url_of_the_disk_is_the_path_behind_it(self, tmp_path: Path) -> None:
        make("photos/장미 1.jpg")
        assert expand(f"file://{tmp_path.as_posix()}/photos") == [str(tmp_path / "photos" / "장미 1.jpg")]

    def test_lists_and_tables_at_urls(self, bucket: str) -> None:
        pytest.importorskip("pyarrow", reason="needs the extra ray: pyarrow is not installed")
        import fsspec

        store, folder = fsspec.filesystem("memory"), bucket.removeprefix("memory:/")
        write_parquet("t.parquet", path=["a/장미 1.jpg", "s3://b/c.jpg"])
        store.put("t.parquet", f"{folder}/tables/t.parquet")
        store.pipe_file(f"{folder}/paths.txt", f"{bucket}/b.jpg\nhere.jpg\n".encode())
        found = [f"{bucket}/tables/a/장미 1.jpg", "s3://b/c.jpg"]
        assert expand(f"{bucket}/tables/t.parquet") == expand(f"@{bucket}/tables") == found
        assert expand(f"{bucket}/tables/t.parquet:path") == found
        assert expand(f"@{bucket}/paths.txt") == [f"{bucket}/b.jpg", "here.jpg"]
        with pytest.raises(DataError, match=r"none.parquet cannot be read"):
            expand(f"{bucket}/none.parquet")

    @pytest.mark.parametrize("name", ["paths.txt", "t.csv", "t.parquet"])
    def test_a_store_that_fails_while_a_list_is_read_is_said_with_the_url(
        self, name: str, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("pyarrow", reason="needs the extra ray: pyarrow is not installed")
        import fsspec

        class ClientError(Exception):  # those of the clients have no common base
            pass

        class Failing(io.BytesIO):
            def fail(self, *_: Any) -> Any:
                raise ClientError("Connection reset.")

            read = read1 = readinto = readline = __next__ = fail

        store = fsspec.filesystem("memory")
        store.pipe_file(f"{bucket.removeprefix('memory:/')}/{name}", b"path\na.jpg\n")
        monkeypatch.setattr(type(store), "_open", lambda *_, **__: Failing(bytes(100)))
        with pytest.raises(DataError, match=rf"^{bucket}/{name} cannot be read: Connection reset\.$"):
            expand(f"@{bucket}/{name}")


@pytest.mark.parametrize("url", ["https://TOKEN@host/a.jpg", "https://me:TOKEN@host/a.jpg", "s3://KEY:TOKEN@bucket/a"])
def test_a_url_that_holds_a_password_is_refused_wherever_it_stands(url: str) -> None:
    Path("paths.txt").write_text(f"a.jpg\n{url}\n", "utf-8")
    Path("t.csv").write_text(f"path\n{url}\n", "utf-8")
    write_parquet("t.parquet", path=[url])
    for given in (url, "@paths.txt", "@t.csv", "t.parquet"):
        with pytest.raises(ConfigError, match=r"^A URL of \w+://\w+ holds a password or token") as caught:
            expand(given)
        assert "TOKEN" not in str(caught.value)
    with pytest.raises(ConfigError, match="holds a password"):
        list(expand_inputs(["-"], stdin=[url.encode()]))


def test_an_at_sign_that_stands_before_no_host_is_no_password() -> None:
    urls = ["https://host/@me/a.jpg?sig=x@y", "abfs://photos@account.dfs.core.windows.net/a@b:c@d.jpg", "a:b@c.jpg"]
    Path("paths.txt").write_text("\n".join(urls), "utf-8")
    assert expand("@paths.txt") == urls
