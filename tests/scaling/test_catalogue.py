from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scaling.conftest import Reads

from photograft.config.data import DataConfig
from photograft.data.inputs import expand_inputs
from photograft.data.listing import Found, Listing
from photograft.data.sources import list_source
from photograft.data.urls import source_path
from photograft.errors import ConfigError, DataError
from photograft.features.extract import BATCH
from photograft.scaling import catalogue
from photograft.scaling.catalogue import (
    BLOCKS_PER_PART,
    LARGEST,
    SMALLEST,
    Catalogue,
    Row,
    block_rows,
    catalogue_of,
    found_of,
    listing_rows,
    names_of,
    open_block,
    photos_of,
    prediction_rows,
    read_block,
    write_catalogue,
)
from photograft.scaling.place import Place
from photograft.values import Annotation, Rect

pytest.importorskip("pyarrow", reason="needs the extra ray: pyarrow is not installed")
fsspec = pytest.importorskip("fsspec", reason="needs the extra ray: fsspec is not installed")


def blocks(place: Place, written: Catalogue) -> Iterator[Any]:
    return (read_block(place, number) for number in range(written.n_blocks))


def test_rows_and_order_are_those_of_the_plain_command(
    make_photo_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_photo_folder(tmp_path / "나의 사진", n=12)
    for name in ("beside.jpg", "daisy-2/1.jpg", "daisy/deep er/2.jpg", "daisy/.hidden.jpg", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"photo")
    monkeypatch.chdir(tmp_path)
    lines = [b"beside.jpg\r\n", b"\n", "나의 사진/장미.jpg\n".encode()]
    (tmp_path / "paths.txt").write_bytes(b"".join(lines))
    inputs = ["나의 사진", "나의 사진/daisy/*.jpg", "none.jpg", str(folder) + "/", "-", "@paths.txt"]
    plain = list(expand_inputs(inputs, stdin=lines))
    assert len(plain) == (36 + 3) * 2 + 10 + 1 + 2 + 2
    place = Place.of(str(tmp_path / "a job"))
    written = write_catalogue(prediction_rows(inputs, stdin=lines), place)
    names = [name for block in blocks(place, written) for name in names_of(block)]
    assert names == plain
    assert written.n_rows == len(plain)
    assert written.n_blocks == 3
    monkeypatch.chdir("/")  # a worker has another working folder
    photos = [photo for block in blocks(place, written) for photo in photos_of(block)]
    assert photos == [os.path.join(tmp_path, name) for name in plain]


@pytest.mark.parametrize("url", ["https://TOKEN@host/a.jpg", "s3://KEY:TOKEN@bucket/a.jpg"])
def test_no_password_of_a_list_or_table_is_written(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("paths.txt").write_text(f"a.jpg\n{url}\n", "utf-8")
    Path("labels.csv").write_text(f"path,label\n{url},rose\n", "utf-8")
    place = Place.of("job")
    with pytest.raises(ConfigError, match="holds a password or token"):
        write_catalogue(prediction_rows(["@paths.txt"]), place)
    with pytest.raises(ConfigError, match="holds a password or token"):
        write_catalogue(listing_rows(list_source(Path("labels.csv"), DataConfig())), place)
    assert not Path("job").exists()


def test_names_that_are_not_utf8_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [os.fsdecode(b"\xff\xfe \xea.jpg"), "장미.jpg", "lone \ud800.jpg", "emoji 🌷.jpg"]
    (tmp_path / "paths.txt").write_bytes(b"\n".join(os.fsencode(name) for name in (names[0], names[1], names[3])))
    monkeypatch.chdir(tmp_path)
    place = Place.of("job")
    rows = [Row(os.fsdecode(b"/\xff"), Found(name, label=name, group=name)) for name in names]
    write_catalogue(rows, place)
    assert names_of(read_block(place, 0)) == names
    assert found_of(read_block(place, 0)) == [row.found for row in rows]
    if sys.platform == "linux":  # other systems have no such names
        Path(names[0]).write_bytes(b"photo")
        write_catalogue(prediction_rows(["@paths.txt"]), place)
        photos = photos_of(read_block(place, 0))
        assert photos[0] == os.path.join(tmp_path, names[0])
        assert Path(photos[0]).read_bytes() == b"photo"


def test_what_a_source_says_comes_back(tmp_path: Path) -> None:
    rect = Rect(0.1, 0.2, 0.30000000000000004, 1, "장미")
    found = (
        Found("a.jpg"),
        Found("b.jpg", "rose", "train", values=(("age", "3"), ("sex", ""))),
        Found("c.jpg", object=2, labels=("a;b", "장미"), group="person 1"),
        Found("d.jpg", annotation=Annotation((rect, Rect(1, 2, 3, 4)), 100, 200, True, "boxes.csv:3", True)),
        Found("e.jpg", "", annotation=Annotation(())),
    )
    place = Place.of(str(tmp_path / "job"))
    write_catalogue(listing_rows(Listing(tmp_path, found)), place)
    assert tuple(found_of(read_block(place, 0))) == found


@pytest.mark.parametrize("kind", ["folder", "url", "csv", "parquet", "boxes"])
def test_listings_of_every_source_come_back_with_their_files(
    kind: str, make_photo_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    folder = make_photo_folder(tmp_path / "나의 사진", n=12)
    config, source = DataConfig(), str(folder)
    rows = [
        f"{file.parent.name}/{file.name},{file.parent.name},1,2,{10 + n},20"
        for n, file in enumerate(folder.rglob("*.*"))
    ]
    table = folder / "labels.csv"
    table.write_text("\n".join(["path,label,xmin,ymin,xmax,ymax", *rows]), "utf-8")
    if kind == "url":
        store = fsspec.filesystem("memory")
        store.put(str(folder), "/test_catalogue/나의 사진", recursive=True)
        source = "memory://test_catalogue/나의 사진"
    elif kind == "parquet":
        source = str(table.with_suffix(".parquet"))
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(table), source)
    elif kind != "folder":
        source, config = str(table), DataConfig(boxes="csv") if kind == "boxes" else config
    listing = list_source(source_path(source), config)
    assert len(listing.files) == 36
    place = Place.of(str(tmp_path / "job"))
    written = write_catalogue(listing_rows(listing), place)
    monkeypatch.chdir("/")
    back: list[Found] = []
    for block in blocks(place, written):
        with open_block(block) as (files, found):
            back += found
            photo = folder / found[0].path
            assert files.read(found[0].path, max_file_mb=1)[0] == photo.read_bytes()
    assert tuple(back) == listing.files
    if kind == "url":
        store.rm("/test_catalogue", recursive=True)


def test_a_relative_source_is_opened_from_any_folder(
    make_photo_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photo_folder(tmp_path / "photos", n=2)
    monkeypatch.chdir(tmp_path)
    place = Place.of("job")
    write_catalogue(listing_rows(list_source(Path("photos"), DataConfig())), place)
    monkeypatch.chdir("/")
    with open_block(read_block(place, 0)) as (files, found):
        assert files.read(found[0].path, max_file_mb=1)


def test_an_archive_is_refused(make_photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    import shutil

    make_photo_folder(tmp_path / "photos", n=2)
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "photos")
    with pytest.raises(ConfigError, match=r"packed.zip is an archive.*Unpack it, or leave --on away"):
        listing_rows(list_source(Path(archive), DataConfig()))


def test_a_machine_without_the_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    place = Place.of(str(tmp_path / "job"))
    write_catalogue(prediction_rows(["a.jpg"]), place)
    monkeypatch.chdir(tmp_path)
    working.rmdir()
    with pytest.raises(DataError, match=r"working is not on the machine .* under the same path"):
        photos_of(read_block(place, 0))


def test_the_hash_tells_other_photos_and_another_order(tmp_path: Path) -> None:
    found = [Found(f"{n}.jpg", "rose") for n in range(100)]
    rows = [Row("/photos", each) for each in found]
    place = Place.of(str(tmp_path / "job"))
    known = catalogue_of(rows)
    assert write_catalogue(iter(rows), place) == known
    others = [
        rows[:-1],
        rows[::-1],
        [Row("/other", each) for each in found],
        [*rows[:-1], Row("/photos", Found("99.jpg", "daisy"))],
        [*rows[:-1], Row("/photos", Found("99.jpg", "rose", object=1))],
    ]
    assert len({known.sha256, *(catalogue_of(each).sha256 for each in others)}) == 6


def test_an_empty_catalogue_has_no_blocks(tmp_path: Path) -> None:
    assert write_catalogue([], Place.of(str(tmp_path / "job"))) == catalogue_of([])
    assert catalogue_of([]).n_blocks == 0


def test_reading_a_block_reads_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_reads: Callable[[], Reads]
) -> None:
    monkeypatch.setattr(catalogue, "block_rows", lambda before: 500)
    rows = [Row("/photos", Found(os.urandom(40).hex())) for _ in range(500 * BLOCKS_PER_PART + 10)]
    place = Place.of(str(tmp_path / "job"))
    written = write_catalogue(rows, place)
    assert written.n_blocks == BLOCKS_PER_PART + 1
    assert place.names("catalogue") == ["part-00000.parquet", "part-00001.parquet"]
    assert [name for block in blocks(place, written) for name in names_of(block)] == [row.found.path for row in rows]
    reads = count_reads()
    assert read_block(place, 3).num_rows == 500
    assert 0 < reads.n_bytes < (tmp_path / "job" / "catalogue" / "part-00000.parquet").stat().st_size / 10


def test_of_a_hundred_thousand_rows_one_part_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "block_rows", lambda before: 500)
    place = Place.of(str(tmp_path / "job"))

    def rows() -> Iterator[Row]:
        for n in range(100_000):
            if n % 1000 == 0:
                written = len(place.names("catalogue")) * BLOCKS_PER_PART * 500
                assert n - written <= BLOCKS_PER_PART * 500
            yield Row("/photos", Found(f"class {n % 10}/photo {n}.jpg"))

    written = write_catalogue(rows(), place)
    assert written.n_rows == 100_000
    assert names_of(read_block(place, 199))[-1] == "class 9/photo 99999.jpg"


@pytest.mark.parametrize("name", ["badimages", "flowers"])
def test_rows_of_shared_photos_are_those_of_the_plain_command(name: str, shared_data: Path, tmp_path: Path) -> None:
    place, folder = Place.of(str(tmp_path / "job")), str(shared_data / name)
    written = write_catalogue(prediction_rows([folder]), place)
    assert [name for block in blocks(place, written) for name in names_of(block)] == list(expand_inputs([folder]))


def test_blocks_are_whole_batches_of_the_plain_command() -> None:
    before = 0
    while before < 1_000_000:
        rows = block_rows(before)
        assert rows % BATCH == 0 and SMALLEST <= rows <= LARGEST
        before += rows
    assert rows == LARGEST
