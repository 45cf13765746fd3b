"""A job that goes on: photos that changed since are done again, and what nobody chose begins anew."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from photograft.errors import DataError
from photograft.workflow.narrator import Silent

pa = pytest.importorskip("pyarrow", reason="needs the extra `ray`")

from photograft.scaling.catalogue import prediction_rows  # noqa: E402
from photograft.scaling.changed import forget_changed  # noqa: E402
from photograft.scaling.jobs import BEGAN, Job, open_job  # noqa: E402
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
        part = pa.table({"reason": reasons}).replace_schema_metadata({BEGAN: str(time.time_ns())})
        job.place.write_table(f"parts/part-{number:06}.parquet", part)
    assert job.missing() == []
    return job


def test_nothing_is_forgotten_where_nothing_changed(job: Job) -> None:
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == []


def test_a_photo_that_was_written_since_costs_its_block(job: Job, tmp_path: Path) -> None:
    (tmp_path / "사진" / "40.jpg").write_bytes(b"other")
    forget_changed(job, Silent(), max_file_mb=50)
    assert job.missing() == [1]


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
