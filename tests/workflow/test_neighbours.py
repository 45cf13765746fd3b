"""The photos of a run that are most like a photo: found, kept, made again where they were damaged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import photograft
from photograft.errors import IntegrityError, ModelError
from photograft.reporting.records import read_parts
from photograft.tracking.run_folder import NEIGHBOURS, RunFolder
from photograft.workflow import neighbours as module
from photograft.workflow.neighbours import join_embeddings, open_neighbours
from photograft.workflow.train import TrainedRun


@pytest.fixture
def run(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    """A run to damage."""
    return Path(shutil.copytree(tiny_run.run, tmp_path / "run 사본"))


def test_photos_of_a_class_are_neighbours_and_no_test_photo_is(run: Path) -> None:
    near = open_neighbours(run)
    parts = read_parts((run / "splits.csv").read_bytes())
    assert len(near) == len(parts) == 60
    right = total = 0
    for name in parts:
        found = near.of_photo(name, top=3)
        assert len(found) == 3
        assert name not in [each.name for each in found]
        assert {each.part for each in found} <= {"train", "val"}
        assert [each.similarity for each in found] == sorted((each.similarity for each in found), reverse=True)
        right += sum(each.label == Path(name).parent.name for each in found)
        total += 3
    assert right / total > 0.6  # by chance 0.33


def test_an_embedding_finds_the_photo_that_it_comes_from(run: Path, photo_folder: Path) -> None:
    near = open_neighbours(run)
    with photograft.load(run) as model:
        pixels = model.decode((photo_folder / "daisy" / "daisy 03.jpg").read_bytes())
        embedding_ND = join_embeddings(model.bundle, model.embed({key: each[None] for key, each in pixels.items()}))
    first, second = near.of(embedding_ND[0], top=2)
    assert (first.name, first.label) == ("daisy/daisy 03.jpg", "daisy")
    assert first.similarity == pytest.approx(1, abs=2e-3)
    (left,) = near.of(embedding_ND[0], top=1, without=("daisy/daisy 03.jpg", "unknown"))
    assert left == second
    assert left.name == near.of_photo("daisy/daisy 03.jpg", top=1)[0].name
    assert near.of_photo("unknown.jpg") == []


def test_the_file_is_kept_unsealed_and_made_again_where_it_was_damaged(run: Path) -> None:
    first = open_neighbours(run).of_photo("daisy/daisy 01.jpg")
    file = run / NEIGHBOURS
    whole = file.read_bytes()
    RunFolder(run).check()
    for damaged in (whole[: len(whole) // 2], whole[:-10] + b"0" * 10, b""):
        file.write_bytes(damaged)
        assert open_neighbours(run).of_photo("daisy/daisy 01.jpg") == first
        assert file.read_bytes() == whole
    os.utime(file, (1, 1))
    open_neighbours(run)
    assert file.stat().st_mtime == 1  # read, not written again


def test_other_photos_make_it_anew(run: Path) -> None:
    open_neighbours(run)
    splits = (run / "splits.csv").read_text("utf-8").splitlines(keepends=True)
    (run / "splits.csv").write_text("".join(line for line in splits if "daisy 01" not in line), encoding="utf-8")
    near = open_neighbours(run)
    assert "daisy/daisy 01.jpg" not in near
    assert len(near) == 59


def test_photos_that_are_gone_are_no_neighbours(run: Path, photo_folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(photo_folder, moved)
    (moved / "daisy" / "daisy 01.jpg").unlink()
    record = (run / "run.json").read_text("utf-8").replace(str(photo_folder), str(moved))
    (run / "run.json").write_text(record, encoding="utf-8")
    (run / "checksums.json").unlink()
    (run / "neighbours.safetensors").unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "empty cache"))
        near = open_neighbours(run)
        assert len(near) == 59
        assert "daisy/daisy 01.jpg" not in near
        shutil.rmtree(moved)  # as a drive that was taken out
        shutil.rmtree(tmp_path / "empty cache")
        (run / NEIGHBOURS).unlink()
        assert open_neighbours(run).of_photo("daisy/daisy 02.jpg") == []
        assert not (run / NEIGHBOURS).exists()


def test_many_photos_are_projected_with_little_loss() -> None:
    rng = np.random.default_rng(0)
    hidden_NE = rng.standard_normal((600, 30)).astype(np.float32)
    sample_ND = hidden_NE @ rng.standard_normal((30, 400)).astype(np.float32) * rng.uniform(0.1, 50, 400) + 7
    sample_ND = (sample_ND + rng.standard_normal((600, 400)) * 0.1).astype(np.float32)
    sample_ND[:, 5] = 3  # says nothing
    tensors = module._directions(sample_ND)
    assert tensors["basis"].shape == (400, 256)
    rows_NE = module._project(sample_ND, tensors)
    whole_ND = (sample_ND - sample_ND.mean(0)) / np.maximum(sample_ND.std(0), 1e-6)
    whole_ND /= np.linalg.norm(whole_ND, axis=1, keepdims=True)
    assert np.abs(rows_NE @ rows_NE.T - whole_ND @ whole_ND.T).max() < 0.02


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a photograft run"):
        open_neighbours(tmp_path)
    (run / "report.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"report\.json"):
        open_neighbours(run)
