"""`search build --on ray`: the index that the plain command makes, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import CLASSES
from tests.scaling.conftest import ThreeMachines, blocks_done_before
from tests.workflow.indexes import files_of, state

from photograft.errors import ConfigError, DataError
from photograft.retrieval.store import read_stored
from photograft.scaling.cluster import On
from photograft.workflow.narrator import Progress, Silent
from photograft.workflow.search import Match, open_index
from photograft.workflow.search_build import build_index, update_index
from photograft.workflow.train import TrainedRun

pytest.importorskip("pyarrow", reason="needs the extra `ray`")
pytest.importorskip("ray", reason="needs the extra `ray`")

from photograft.scaling.catalogue import read_block
from photograft.scaling.jobs import open_job
from photograft.scaling.place import Place
from photograft.scaling.search import build_index_on
from photograft.scaling.search_shards import ShardTask, plan_shards, write_shard
from photograft.scaling.search_work import SearchWork, catalogue_rows
from photograft.workflow.search_model import network_of_model
from photograft.workflow.search_sources import name_sources, open_listed

TULIP, SUN, DAISY = CLASSES


@pytest.fixture(scope="module")
def photos(make_photo_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A folder of class folders, and a table of others; copies among them, and files that cannot be used."""
    root = tmp_path_factory.mktemp("many")
    folder = make_photo_folder(root / "많은 사진", n=40)
    more = make_photo_folder(root / "more photos", classes=[DAISY], n=30, seed=9) / DAISY
    shutil.copy(folder / SUN / f"{SUN} 03.jpg", folder / TULIP / "같은 사진.jpg")
    shutil.copy(folder / SUN / f"{SUN} 03.jpg", more / "again.jpg")
    (folder / SUN / "a broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / TULIP / os.fsdecode(b"odd \xff.jpg")).write_bytes((more / f"{DAISY} 00.jpg").read_bytes())
    files = sorted(file.name for file in more.iterdir())
    lines = [f"{DAISY}/{name},{'흰색' if n % 2 else 'white'}" for n, name in enumerate(files)]
    (root / "more photos" / "table.csv").write_text("\n".join(["path,label", *lines, ""]), "utf-8")
    return [str(folder), str(root / "more photos" / "table.csv")]


@pytest.fixture(scope="module")
def plain(photos: list[str], tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the plain command makes of them."""
    index = tmp_path_factory.mktemp("plain") / "색인"
    build_index(tiny_run.run, photos, index)
    return index


class Labels(Silent):
    """Keeps what is said of long work."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Progress]:
        self.labels.append(label)
        with super().progress(total, label) as progress:
            yield progress


def check_equal(index: Path, plain: Path, photos: list[str]) -> None:
    """The answers of an index are those of the plain one, to the last bit, and their thumbnails too."""
    asked = [Path(photos[0], SUN, f"{SUN} 03.jpg"), Path(photos[0], TULIP, f"{TULIP} 05.jpg")]
    with open_index(index) as one, open_index(plain) as other:
        assert (one.n, one.classes, one.same_class) == (other.n, other.classes, other.same_class)
        for photo in asked:
            found, expected = one.query(photo, top=200), other.query(photo, top=200)
            assert told(found) == told(expected)
            assert [one.thumbnail(a.id) for a in found] == [other.thumbnail(b.id) for b in expected]


def told(matches: list[Match]) -> list[dict[str, Any]]:
    return [{**asdict(match), "id": ""} for match in matches]


def check_same_rows(index: Path, plain: Path) -> None:
    one, other = read_stored(index), read_stored(plain)
    np.testing.assert_array_equal(one.checked_vectors(), other.checked_vectors())
    assert one.info.sources == other.info.sources and one.info.directions is not None
    assert other.info.directions is not None and one.info.directions.sha256 == other.info.directions.sha256
    rows, expected = ([{**asdict(row), "id": "", "thumbnail": ""} for row in each.rows] for each in (one, other))
    assert rows == expected


def test_blocks_become_the_shards_that_the_plain_index_is_made_of(
    photos: list[str], plain: Path, tiny_run: TrainedRun, tmp_path: Path
) -> None:
    """Without Ray: what its workers and tasks do, one after the other."""
    file, network = network_of_model(str(tiny_run.run), Silent())
    scopes = name_sources(photos)

    def rows() -> Any:
        for number, scope in enumerate(scopes):
            with open_listed(scope, network.limits) as listed:
                yield from catalogue_rows(listed, number)

    job = open_job(Place(str(tmp_path / "job")), "search build", {}, rows, Silent())
    work = SearchWork(network, file.read_bytes(), ())
    for number in range(job.n_blocks):
        job.place.write_table(f"parts/part-{number:06d}.parquet", work.run(read_block(job.place, number)))
    work.close()
    plans = plan_shards(job, photos=49)
    assert [plan.n_vectors for plan in plans] == [49, 49, 49, 3]
    assert sum(len(plan.row_S) for plan in plans) == job.n_rows == len(read_stored(plain).rows)
    told = ShardTask(job, tmp_path, "salt", network, tuple(scope.source for scope in scopes))
    whole = read_stored(plain)
    for k, plan in enumerate(plans):
        write_shard(plan, replace(told, folder=tmp_path / "shards" / f"{k}"), file.read_bytes())
        shard = read_stored(tmp_path / "shards" / f"{k}")
        np.testing.assert_array_equal(shard.checked_vectors(), whole.vectors_ND[49 * k : 49 * k + plan.n_vectors])
        for n in range(plan.n_vectors):
            assert replace(shard.rows[n], id="", thumbnail=None, vector=0) == replace(
                whole.rows[49 * k + n], id="", thumbnail=None, vector=0
            )
    assert [name for name in os.listdir(tmp_path / "shards") if name.startswith(".")] == []


def test_mistakes_are_told_before_anything_starts(tiny_run: TrainedRun, photos: list[str], tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "archive"), "zip", Path(photos[0], SUN))
    with pytest.raises(ConfigError, match="is an archive: workers of a cluster"):
        build_index_on(On(), tiny_run.run, [tmp_path / "archive.zip"], tmp_path / "index")
    (tmp_path / "빈").mkdir()
    with pytest.raises(DataError, match="빈: no photos in it"):
        build_index_on(On(), tiny_run.run, [tmp_path / "빈"], tmp_path / "index 2")
    with pytest.raises(ConfigError, match="holds other files"):
        build_index_on(On(), tiny_run.run, photos, photos[0])


@pytest.mark.slow
@pytest.mark.ray
def test_equal_to_the_plain_command(tiny_run: TrainedRun, photos: list[str], plain: Path, tmp_path: Path) -> None:
    one = tmp_path / "하나"
    command = [sys.executable, "-m", "photograft", "search", "build", str(tiny_run.run), *photos, "--index", str(one)]
    done = subprocess.run([*command, "--on", "ray", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    change = json.loads(done.stdout)
    assert (change["photos"], change["files"], change["computed"]) == (150, 153, 150)
    assert [each["verdict"] for each in change["rejected"]] == ["corrupt"]
    check_same_rows(one, plain)
    check_equal(one, plain, photos)
    assert {name.partition("/")[0] for name in files_of(one)} == {name.partition("/")[0] for name in files_of(plain)}
    assert state(one) == state(plain) and update_index(one).unchanged == 153

    said = Labels()
    many = build_index_on(
        On(), tiny_run.run, photos, one, shard_photos=40, narrator=said
    )  # in place of the ordinary one
    assert (many.photos, many.files, many.same) == (150, 153, read_stored(plain).info.same)
    assert {name.partition("-")[0] for name in os.listdir(one)} == {
        ".lock", "derived", "directions", "shards", "shards.json",
    }  # fmt: skip
    assert len(os.listdir(one / "shards")) == 4
    check_equal(one, plain, photos)
    with pytest.raises(ConfigError, match="holds a part of an index"):
        update_index(one / "shards" / sorted(os.listdir(one / "shards"))[0])
    assert "Writing shards" in said.labels and "Writing the index" not in said.labels
    said = Labels()
    build_index_on(On(), tiny_run.run, photos, one, narrator=said)  # and the other way round
    assert "Writing the index" in said.labels and "Writing shards" not in said.labels
    check_same_rows(one, plain)
    assert not (one / "shards").exists() and not (one / "shards.json").exists()


@pytest.mark.slow
@pytest.mark.ray
def test_a_machine_that_is_lost_changes_nothing(
    tiny_run: TrainedRun, make_photo_folder: Callable[..., Path], tmp_path: Path, three_machines: ThreeMachines
) -> None:
    photos, index = [str(make_photo_folder(tmp_path / "사진", n=200))], tmp_path / "index"  # 19 blocks
    build_index(tiny_run.run, photos, tmp_path / "plain")
    missing_then: list[int] = []

    def kill_in_the_middle() -> None:
        while not list(index.glob(".job/*/parts/*.parquet")):
            time.sleep(0.02)
        three_machines.kill_one()
        (job,) = index.glob(".job/*/job.json")
        n_blocks = json.loads(job.read_text("utf-8"))["n_blocks"]
        missing_then.append(n_blocks - len(list(job.parent.glob("parts/*.parquet"))))

    killer = threading.Thread(target=kill_in_the_middle, daemon=True)
    killer.start()
    build_index_on(On(three_machines.address), tiny_run.run, photos, index, shard_photos=250)
    killer.join(60)
    assert len(missing_then) == 1 and missing_then[0] > 3  # more than the three workers could have been at the end of
    check_equal(index, tmp_path / "plain", photos)
    assert not [name for name in files_of(index) if ".tmp" in name or ".job" in name]
    assert not [name for name in os.listdir(index / "shards") if name.startswith(".")]


@pytest.mark.slow
@pytest.mark.ray
def test_a_command_that_is_killed_goes_on(tiny_run: TrainedRun, photos: list[str], plain: Path, tmp_path: Path) -> None:
    index = tmp_path / "색인"
    command = [sys.executable, "-m", "photograft", "search", "build", str(tiny_run.run), *photos, "--index", str(index)]
    first = subprocess.Popen([*command, "--on", "ray"], stderr=subprocess.DEVNULL)
    while not (written := list(index.glob(".job/*/parts/*.parquet"))):
        time.sleep(0.02)
        assert first.poll() is None
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    written = list(index.glob(".job/*/parts/*.parquet"))
    done = subprocess.run([*command, "--on", "ray"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert blocks_done_before(done.stderr) >= len(written)
    check_same_rows(index, plain)
    assert not (index / ".job").exists()
