"""What a worker reads of a block: the rows and features that the plain commands have."""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

import photograft
from photograft.config import Config
from photograft.errors import ConfigError
from photograft.scaling.extract import ExtractWork, Reading, embedding_column, read_embeddings, read_photos
from photograft.scaling.jobs import Job, Worker, remove_job
from photograft.scaling.photo_jobs import begin_job
from photograft.values import Manifest, Photo
from photograft.workflow.clock import Clock
from photograft.workflow.edits import add_edits
from photograft.workflow.narrator import Silent
from photograft.workflow.prepare import Prepared, prepared
from photograft.workflow.source import Source, contract_of, open_source, scan_source
from photograft.workflow.workforce import ThisMachine, memory_limit

pytest.importorskip("pyarrow", reason="needs the extra `ray`")


@pytest.fixture
def photos(make_photo_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """Three classes of eight photos, a copy, and files that cannot be used."""
    root = make_photo_folder(tmp_path / "나의 사진", n=8)
    daisy = root / "daisy"
    shutil.copy(daisy / "daisy 00.jpg", daisy / "copy.jpg")
    (daisy / "empty.jpg").write_bytes(b"")
    (daisy / "broken.jpg").write_bytes((daisy / "daisy 01.jpg").read_bytes()[:-200])
    (root / "sun flower" / "text.jpg").write_text("no photo")
    (root / "sun flower" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    with (daisy / os.fsdecode(b"d\xff\xfe.jpg")).open("wb") as file:
        file.write((daisy / "daisy 02.jpg").read_bytes())
    before = time.time() - 60
    for path in root.rglob("*.jpg"):
        if path.exists():
            os.utime(path, (before, before))
    return root


@pytest.fixture
def table(photos: Path) -> Path:
    """Rows with boxes, two of them about one file, parts, groups, a value, and corrections in a journal."""
    rows = []
    for i, path in enumerate(sorted(photos.glob("*/*0?.*"))):
        name = path.relative_to(photos).as_posix()
        box = "900,900,990,990" if i % 7 == 3 else "" if i % 7 == 5 else "12,8,52,40"
        rows.append((name, name.split("/")[0], "test" if i % 4 == 0 else "train", f"p{i // 2}", f"camera {i % 2}", box))
    rows.append((*rows[0][:5], "4,4,40,40"))
    with (photos / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "part", "person", "camera", "box"), *rows])
    add_edits(photos.parent / "edits.csv", "relabel", [photos / "daisy/daisy 03.jpg"], value="sun flower")
    add_edits(photos.parent / "edits.csv", "exclude", [photos / "daisy/daisy 04.png"], note="blurred")
    return photos / "labels.csv"


def test_features_and_rows_equal_those_of_the_plain_command(photos: Path, tiny_config: Config, tmp_path: Path) -> None:
    config = tiny_config.model_copy(update={"input": tiny_config.input.model_copy(update={"flip": True})})
    with prepared(photos, config, Clock(), Silent()) as ready:
        plain = ThisMachine(memory_limit(config), Silent())
        rows = plain.photos(ready, Silent())
        (expected,) = plain.tables(ready, manifest_of(rows, ready))
        job = extracted(ready, tmp_path / "job")
    found = list(read_photos(job))
    assert found == rows
    assert {photo.verdict for photo in found} == {"ok", "truncated", "empty", "not_an_image", "unreadable"}
    assert np.array_equal(np.concatenate(list(read_embeddings(job, 0))), expected.embedding_ND)


def test_a_part_is_a_table_for_other_programs(photos: Path, tiny_config: Config, tmp_path: Path) -> None:
    with prepared(photos, tiny_config, Clock(), Silent()) as ready:
        job = extracted(ready, tmp_path / "job", readings=2)
    part = job.part(0)
    assert part.schema.field("embedding").type.list_size == part.schema.field("embedding_2").type.list_size
    named = {row["path"]: row for row in part.to_pylist()}
    assert named["daisy/daisy 00.jpg"]["embedding"] == named["daisy/copy.jpg"]["embedding"]
    assert named["daisy/daisy 00.jpg"]["content"] == named["daisy/copy.jpg"]["sha256"]
    assert named["daisy/empty.jpg"]["embedding"] is None and named["daisy/empty.jpg"]["verdict"] == "empty"
    assert named["daisy/d\\xff\\xfe.jpg"]["label"] == "daisy"
    assert np.array_equal(np.concatenate(list(read_embeddings(job, 0))), np.concatenate(list(read_embeddings(job, 1))))


def test_boxes_corrections_parts_groups_and_values_are_those_of_the_plain_command(table: Path, tmp_path: Path) -> None:
    asked = ("boxes=csv", "box_choice=each", "labels.part=part", "labels.group=person")
    journal = f"data.edits={table.parent.parent / 'edits.csv'}"
    settings = [*(f"data.{each}" for each in asked), "report.slices=[camera]", journal, "input.px=64"]
    config = photograft.load_config(None, settings)
    with open_source(table, config, Clock()) as source:
        plain = scan_source(source, config, Clock(), Silent())
        job = scanned(source, config, tmp_path / "job")
    assert tuple(read_photos(job)) == plain.photos
    assert "embedding" not in job.part(0).column_names
    assert any(photo.box for photo in plain.photos) and any(photo.box_problem for photo in plain.photos)
    assert any(photo.excluded for photo in plain.photos) and any(photo.edited for photo in plain.photos)
    assert any(photo.object for photo in plain.photos)


def test_a_photo_that_one_network_cannot_use_has_its_reason(photos: Path, tiny_config: Config, tmp_path: Path) -> None:
    with prepared(photos, tiny_config, Clock(), Silent()) as ready:
        setup = ready.members[0]
        decode = setup.contract.decode.model_copy(update={"max_pixels": 1000})
        narrow = setup.contract.model_copy(update={"decode": decode})
        network = setup.network.read_bytes()
        readings = [Reading(each, network, setup.outputs.embedding, setup.views) for each in (setup.contract, narrow)]
        job = begin(ready.source, ready.config, tmp_path / "job")
        work(job, ExtractWork(ready.config.data, None, readings))
    assert {photo.verdict for photo in read_photos(job)} >= {"too_many_pixels", "empty"}
    assert sum(len(block_BD) for block_BD in read_embeddings(job, 0)) == 0


def test_blocks_whose_photos_changed_are_read_again(photos: Path, tmp_path: Path) -> None:
    config = photograft.load_config(None, ["input.px=64"])
    with open_source(photos, config, Clock()) as source:
        job = scanned(source, config, tmp_path / "job")
        assert begin(source, config, tmp_path / "job").missing() == []
        shutil.copy(photos / "daisy/daisy 03.jpg", photos / "daisy/empty.jpg")
        assert begin(source, config, tmp_path / "job").missing() == [0]
        scanned(source, config, tmp_path / "job")
    repaired = {photo.path: photo for photo in read_photos(job)}
    assert repaired["daisy/empty.jpg"].sha256 == repaired["daisy/daisy 03.jpg"].sha256 != ""


def test_a_folder_that_a_command_works_on_is_refused_to_others(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = photograft.load_config(None, ["input.px=64"])
    with open_source(photos, config, Clock()) as source:

        def begin_train(head: str, held: ExitStack) -> Job:
            other = photograft.load_config(None, ["input.px=64", f"train.strength={head}"])
            return begin_job("train", source, other, {}, out=None, held=held, narrator=Silent())

        with ExitStack() as one, ExitStack() as other:
            job = begin_train("0.1", one)
            with pytest.raises(ConfigError, match=rf"Another process is working on {job.place.url}; wait for it"):
                begin_train("0.2", other)
            assert job.missing() == [0]
            remove_job(job)
            assert list(tmp_path.glob("jobs/*"))
        assert not Path("jobs").exists()
        with ExitStack() as held:
            assert begin_train("0.2", held) == job


def test_a_folder_of_photos_is_not_written_to(photos: Path) -> None:
    config = photograft.load_config(None, ["input.px=64"])
    with (
        open_source(photos, config, Clock()) as source,
        pytest.raises(ConfigError, match="lies inside the folder of photos"),
    ):
        begin(source, config, photos / "job")
    assert not (photos / "job").exists()


def test_columns_of_several_networks_are_numbered() -> None:
    assert [embedding_column(number) for number in range(3)] == ["embedding", "embedding_2", "embedding_3"]


def manifest_of(rows: list[Photo], ready: Prepared) -> Manifest:
    return Manifest(ready.source.listing.root, tuple(rows))


def begin(source: Source, config: Config, folder: Path) -> Job:
    with ExitStack() as held:
        return begin_job("check", source, config, {}, out=str(folder), held=held, narrator=Silent())


def extracted(ready: Prepared, folder: Path, *, readings: int = 1) -> Job:
    """A job of what `train` reads, done without Ray."""
    setup = ready.members[0]
    reading = Reading(setup.contract, setup.network.read_bytes(), setup.outputs.embedding, setup.views)
    job = begin(ready.source, ready.config, folder)
    work(job, ExtractWork(ready.config.data, ready.source.edits, [reading] * readings))
    return job


def scanned(source: Source, config: Config, folder: Path) -> Job:
    """A job of what `check` reads, done without Ray."""
    job = begin(source, config, folder)
    work(job, ExtractWork(config.data, source.edits, [Reading(contract_of(config))]))
    return job


def work(job: Job, does: ExtractWork) -> None:
    worker = Worker(job.place, photograft.__version__, lambda: does)
    for number in job.missing():
        told = worker({"block": [number]})
        assert told["error"] == [""]
