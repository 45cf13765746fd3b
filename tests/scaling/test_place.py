"""Folders of jobs: on disks and at URLs, written whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from photograft.errors import ConfigError, IntegrityError
from photograft.scaling.place import Place

pa = pytest.importorskip("pyarrow", reason="needs the extra `ray`")
pytest.importorskip("fsspec", reason="needs the extra `ray`")


@pytest.fixture(params=["disk", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / "작업 폴더"
    urls = {"disk": str(folder), "file": f"file://{folder}", "memory": f"memory://{tmp_path.name}/작업 폴더"}
    return Place.of(urls[request.param])


def test_what_is_written_is_read(place: Place) -> None:
    assert not place.exists("a/b.txt") and place.names() == [] and place.names("a") == []
    place.write("a/b.txt", b"one")
    place.write("a/b.txt", b"two")
    place.write("a/c.txt", b"")
    assert place.read("a/b.txt") == b"two"
    assert place.exists("a/b.txt") and not place.exists("a")
    assert place.names("a") == ["b.txt", "c.txt"] and place.names() == []
    with place.open("a/b.txt") as file:
        file.seek(1)
        assert file.read() == b"wo"
    place.delete("a/c.txt")
    place.delete("a/c.txt")  # it is not there any more
    assert place.names("a") == ["b.txt"]
    with pytest.raises(FileNotFoundError):
        place.read("missing")


def test_tables_keep_their_kinds(place: Place) -> None:
    table = pa.table({"path": ["노란 튤립.jpg"], "probability": pa.array([None], pa.float64())})
    place.write_table("parts/one.parquet", table)
    assert place.read_table("parts/one.parquet").equals(table)
    assert place.read_table("parts/one.parquet", ("path", "none")).equals(table.select(["path"]))


def test_a_damaged_table_is_named(place: Place) -> None:
    place.write_table("parts/one.parquet", pa.table({"path": ["노란 튤립.jpg"] * 1000}))
    whole = place.read("parts/one.parquet")
    for damaged in (b"", whole[:-1], whole[: len(whole) // 2], b"PAR1" + bytes(len(whole) - 12) + whole[-8:]):
        place.write("parts/one.parquet", damaged)
        with pytest.raises(IntegrityError, match=r"작업 폴더/parts/one.parquet is damaged \(.+\): delete it"):
            place.read_table("parts/one.parquet")
    with pytest.raises(FileNotFoundError):
        place.read_table("parts/none.parquet")


def test_remove_takes_all_of_it_and_nothing_else(place: Place) -> None:
    place.write("inner/deep/a.txt", b"a")
    place.write("other.txt", b"b")
    inner = place / "inner"
    inner.remove()
    inner.remove()  # nothing is there any more
    assert not place.exists("inner/deep/a.txt") and place.exists("other.txt")


def test_a_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Place.of("here").folder == tmp_path / "here"
    assert Place.of(f"file://{tmp_path}/here") == Place.of("here")


@pytest.mark.parametrize(("url", "client"), [("s3://bucket/a", "s3fs"), ("gs://bucket/a", "gcsfs")])
def test_a_missing_client_is_named(url: str, client: str) -> None:
    if __import__("importlib.util").util.find_spec(client):
        pytest.skip(f"{client} is installed")
    with pytest.raises(ConfigError, match=f"pip install {client}"):
        Place.of(url)


def test_an_unknown_kind_of_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing"):
        Place.of("nothing://bucket/a")


def test_a_store_that_fails_does_not_say_that_a_file_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("the token has expired")

    place = Place.of("memory://bucket/job")
    monkeypatch.setattr(MemoryFileSystem, "info", refuse)
    with pytest.raises(OSError, match=r"memory://bucket/job: ValueError: the token has expired"):
        place.exists("job.json")


def test_what_a_store_raises_names_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("access denied")  # clients raise errors of their own

    place = Place.of("memory://bucket/job")
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(OSError, match=r"memory://bucket/job: ValueError: access denied"):
        place.write("a.txt", b"a")
