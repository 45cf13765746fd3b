"""The head whose sums workers of a cluster make, against the one of this process; one worker killed on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scaling.conftest import collect_leftovers
from tests.training.test_linear import draw

from photograft.errors import ConfigError, DataError, TrainingError
from photograft.metrics import links
from photograft.scaling.cluster import Cluster, On, open_cluster
from photograft.scaling.head import _ClusterPasses, fit_on_cluster
from photograft.scaling.jobs import Job
from photograft.scaling.place import Place
from photograft.training.linear import HeadFit
from photograft.training.passes import Losses
from photograft.training.streamed import MatrixBlocks, fit_streamed
from photograft.values import FloatArray
from photograft.workflow.narrator import Silent

pytestmark = [pytest.mark.ray, pytest.mark.slow]
N_PARTS = 23


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with open_cluster(On(), Silent()) as joined:
        yield joined
    collect_leftovers()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of some parts, and shards of some blocks, as large tables have."""
    monkeypatch.setattr("photograft.scaling.head._BLOCK_BYTES", 12_000)
    monkeypatch.setattr("photograft.scaling.head._SHARDS", 6)


def write_job(folder: Path, features_ND: FloatArray, *, unusable: int = 0) -> Job:
    """The parts of a job with these embeddings, and between them rows of photos that cannot be used."""
    import pyarrow as pa

    place, rng = Place.of(str(folder)), np.random.default_rng(0)
    n = len(features_ND) + unusable
    usable_N = np.ones(n, bool)
    usable_N[rng.choice(n, unusable, replace=False)] = False
    every_ND = np.zeros((n, features_ND.shape[1]), np.float32)
    every_ND[usable_N] = features_ND
    for number, part in enumerate(np.array_split(np.arange(n), N_PARTS)):
        flat, size = pa.array(every_ND[part].reshape(-1)), every_ND.shape[1]
        column = pa.FixedSizeListArray.from_arrays(flat, size, mask=pa.array(~usable_N[part]))
        place.write_table(f"parts/part-{number:06d}.parquet", pa.table({"embedding": column}))
    return Job(place, n, N_PARTS)


def assert_same(ours: HeadFit, theirs: HeadFit) -> None:
    assert ours.strength == theirs.strength
    assert ours.cv_loss == pytest.approx(theirs.cv_loss, abs=1e-4)
    for one_NK, other_NK in (
        (ours.oof_logits_NK, theirs.oof_logits_NK),
        (ours.honest_logits_NK, theirs.honest_logits_NK),
    ):
        one, other = (links.probabilities("softmax", each) for each in (one_NK, other_NK))
        assert np.abs(one - other).max() < 2e-3
    assert len(ours.fold_heads) == len(theirs.fold_heads)


def pids_of_workers() -> list[int]:
    """Processes whose title says that they are our actors: Ray sets it."""
    psutil = pytest.importorskip("psutil")
    titles = {each.pid: " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])}
    return [pid for pid, title in titles.items() if title.startswith("ray::HeadWorker")]


def test_finds_the_head_that_one_process_finds(cluster: Cluster, tmp_path: Path) -> None:
    features_ND, label_N, fold_N = draw(1500, 12, 4)
    job = write_job(tmp_path / "작업 1", features_ND, unusable=40)
    arguments = {"n_classes": 4, "balance": "sqrt", "repeats_RN": np.roll(fold_N, 7)[None]}
    ours = fit_on_cluster(job, label_N, fold_N, cluster=cluster, **arguments)
    theirs = fit_streamed(MatrixBlocks(features_ND), label_N, fold_N, **arguments)
    assert_same(ours, theirs)
    assert len(ours.repeats) == 1


def test_some_rows_are_a_table_of_them(cluster: Cluster, tmp_path: Path) -> None:
    features_ND, label_N, fold_N = draw(900, 10, 3)
    rows = np.flatnonzero((np.arange(900) > 200) & (np.arange(900) % 3 > 0))
    job = write_job(tmp_path, features_ND)
    arguments = {"n_classes": 3, "strength": 0.1, "fit_rows": fold_N[rows] != 1}
    ours = fit_on_cluster(job, label_N[rows], fold_N[rows], cluster=cluster, rows=rows, **arguments)
    theirs = fit_streamed(MatrixBlocks(features_ND, rows), label_N[rows], fold_N[rows], **arguments)
    assert_same(ours, theirs)
    with pytest.raises(DataError, match="900 photos"):
        fit_on_cluster(job, label_N[rows], fold_N[rows], cluster=cluster, **arguments)


def test_a_killed_worker_changes_nothing(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features_ND, label_N, fold_N = draw(3000, 12, 4)
    job = write_job(tmp_path, features_ND)
    wanted = fit_on_cluster(job, label_N, fold_N, cluster=cluster, n_classes=4, strength=0.03)
    killed: list[int] = []
    original = _ClusterPasses.sums

    def sums(passes: _ClusterPasses, work: Any) -> Any:
        if isinstance(work, Losses) and not killed:
            killed.append(pids_of_workers()[0])
            threading.Thread(target=lambda: (time.sleep(0.005), os.kill(killed[0], signal.SIGKILL))).start()
        return original(passes, work)

    monkeypatch.setattr(_ClusterPasses, "sums", sums)
    found = fit_on_cluster(job, label_N, fold_N, cluster=cluster, n_classes=4, strength=0.03)
    assert killed and killed[0] not in pids_of_workers()
    assert np.array_equal(found.head.weight_DK, wanted.head.weight_DK)
    assert np.array_equal(found.oof_logits_NK, wanted.oof_logits_NK)


def test_the_result_does_not_depend_on_the_number_of_workers(cluster: Cluster, tmp_path: Path) -> None:
    features_ND, label_N, fold_N = draw(900, 12, 3)
    job = write_job(tmp_path, features_ND)
    one, two = (fit_on_cluster(job, label_N, fold_N, cluster=Cluster(n, 1), n_classes=3, strength=0.1) for n in (1, 2))
    assert np.array_equal(one.head.weight_DK, two.head.weight_DK)


def test_says_what_is_wrong_as_one_process_does(cluster: Cluster, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    features_ND, label_N, fold_N = draw(300, 10, 3)
    features_ND[250, 3] = np.inf
    job = write_job(tmp_path, features_ND)
    with pytest.raises(TrainingError, match="not finite"):
        fit_on_cluster(job, label_N, fold_N, cluster=cluster, n_classes=3)
    job.place.write_table("parts/part-000011.parquet", pa.table({"other": [1]}))
    with pytest.raises(ConfigError, match=r"^The Ray cluster could not go on \(KeyError.*same command again.$"):
        fit_on_cluster(job, label_N, fold_N, cluster=cluster, n_classes=3)
    job.forget(11)
    with pytest.raises(DataError, match="part-000011"):
        fit_on_cluster(job, label_N, fold_N, cluster=cluster, n_classes=3)
    with pytest.raises(ValueError, match="ascending"):
        fit_on_cluster(job, label_N, fold_N, cluster=cluster, n_classes=3, rows=np.arange(300)[::-1])
