"""A job that goes on: photos that changed since are done again, and what nobody chose begins anew."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.scaling.conftest import Reads

from photograft.data.listing import Found
from photograft.errors import DataError
from photograft.workflow.narrator import Silent

pa = pytest.importorskip("pyarrow", reason="needs the extra `ray`")

from photograft.scaling.catalogue import Row, prediction_rows, statuses_of  # noqa: E402
from photograft.scaling.changed import forget_changed  # noqa: E402
from photograft.scaling.jobs import BEGAN, FILES, Job, files_sha256, open_job  # noqa: E402
from photograft.scaling.place import Place  # noqa: E402


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Two blocks of 32 files that are an hour old, all done; what is said of the third is `unreadable`."""
    (tmp_path / "사진").mkdir()
    paths = [tmp_path / "사진" / f"{number:02}.jpg" for number in range(64)]
    for path in paths:
        path.write_bytes(b"photo")
        os.utime(path, (time.time() - 3600,) * 2)
    paths[2].unlink()
    names = [str(path) for path in paths]
    job = open_job(Place(str(tmp_path / "job")), "predict", {}, lambda: prediction_rows(names), Silent())
    for number in range(job.n_blocks):
        reasons = ["unreadable: gone" if 32 * number + i == 2 else "" for i in range(32)]
        write_part(job, number, pa.table({"reason": reasons}))
    assert job.missing() == []
    return job


def write_part(job: Job, number: int, part: Any) -> None:
    """As a worker does."""
    stamp = {BEGAN: str(time.time_ns()), FILES: files_sha256(statuses_of(job.rows(number)))}
    job.place.write_table(f"parts/part-{number:06}.parquet", part.replace_schema_metadata(stamp))


def test_nothing_is_forgotten_where_nothing_changed(job: Job) -> None:
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == []


def test_a_photo_that_was_written_since_costs_its_block(job: Job, tmp_path: Path) -> None:
    (tmp_path / "사진" / "40.jpg").write_bytes(b"other")
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [1]


def test_a_photo_in_whose_place_an_older_one_is_put_costs_its_block(job: Job, tmp_path: Path) -> None:
    older = tmp_path / "older.jpg"
    older.write_bytes(b"Photo")
    os.utime(older, (time.time() - 7200,) * 2)
    older.replace(tmp_path / "사진" / "40.jpg")
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [1]


def test_photos_in_a_folder_that_was_exchanged_cost_their_blocks(job: Job, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "사진", tmp_path / "other")  # with their times
    os.utime(tmp_path / "other" / "40.jpg", (time.time() - 1800,) * 2)
    (tmp_path / "사진").rename(tmp_path / "before")
    (tmp_path / "other").rename(tmp_path / "사진")
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [1]


def test_a_photo_that_could_not_be_read_and_can_be_now_costs_its_block(job: Job) -> None:
    write_part(job, 1, pa.table({"reason": ["unreadable: the disk did not answer", *[""] * 31]}))
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [1]


def test_a_part_of_a_worker_that_left_no_mark_is_made_again(job: Job) -> None:
    job.place.write_table("parts/part-000001.parquet", pa.table({"reason": [""] * 32}))
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [1]


def test_only_what_is_needed_is_read(job: Job, tmp_path: Path, count_reads: Callable[[], Reads]) -> None:
    vectors = pa.array([os.urandom(20_000) for _ in range(32)])
    write_part(job, 1, pa.table({"verdict": ["ok"] * 32, "embedding": vectors}))
    rows = [Row("memory://photos", Found(f"{number}.jpg")) for number in range(32)]
    remote = open_job(Place(str(tmp_path / "remote")), "check", {}, lambda: rows, Silent())
    write_part(remote, 0, pa.table({"verdict": ["ok"] * 32}))
    reads = count_reads()
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [] and 0 < reads.n_bytes < 100_000
    reads.names.clear()
    forget_changed(remote, Silent(), max_file_mb=50)
    assert remote.missing() == [] and reads.names == ["catalogue/part-00000.parquet"]


def test_a_job_of_photos_at_a_url_goes_on(tmp_path: Path) -> None:
    rows = [Row(root, Found(path)) for root, path in (("memory://a", "b.jpg"), (str(tmp_path), "memory://a/c.jpg"))]
    remote = open_job(Place(str(tmp_path / "remote")), "check", {}, lambda: rows, Silent())
    write_part(remote, 0, pa.table({"verdict": ["ok", "unreadable"]}))
    forget_changed(remote, Silent(), max_file_mb=50)
    assert remote.missing() == []


def test_a_photo_that_is_gone_or_back_costs_its_block(job: Job, tmp_path: Path) -> None:
    (tmp_path / "사진" / "50.jpg").unlink()
    old = tmp_path / "사진" / "02.jpg"
    old.write_bytes(b"back")
    os.utime(old, (time.time() - 7200,) * 2)
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [0, 1]


def test_another_list_begins_anew_only_where_nobody_chose_the_folder(job: Job) -> None:
    def rows() -> object:
        return prediction_rows(["a.jpg"])

    with pytest.raises(DataError, match="list of photos"):
        open_job(job.place, "predict", {}, rows, Silent())  # type: ignore[arg-type]
    anew = open_job(job.place, "predict", {}, rows, Silent(), anew=True)  # type: ignore[arg-type]
    assert (anew.n_rows, anew.missing()) == (1, [0])
