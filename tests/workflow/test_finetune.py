"""Fine-tuning from photos to the bundle: what every setting of the workflow leaves behind."""

from __future__ import annotations

import csv
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.workflow.tuned import Tuning

import photograft
from photograft.cli.main import main
from photograft.errors import ConfigError
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.train import TrainedRun, train

LITE = ("model.backbone=efficientnet-lite0", "model.weights=null", "model.graft=blocks:1")

pytestmark = pytest.mark.slow


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def report_of(run: TrainedRun) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((run.run / "report.json").read_text("utf-8"))
    return report


def fits_of(run: TrainedRun) -> list[tuple[str, float]]:
    """(fit, epoch) of every record of fine-tuning."""
    lines = [json.loads(line) for line in (run.run / "records.jsonl").read_text("utf-8").splitlines()]
    return [(line["fit"], line["epoch"]) for line in lines if "fit" in line]


def check_finished(run: TrainedRun, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left over, checksums hold, and the bundle says what the run said."""
    left = {path.name for path in run.run.iterdir()} & {"started.json", "checkpoints", ".model"}
    assert not left and not list(run.run.rglob("*.tmp"))
    RunFolder(run.run).check()
    for arguments in (["verify", str(run.bundle)], ["report", str(run.run)]):
        assert main(arguments) == 0, capsys.readouterr().err
    capsys.readouterr()
    info = json.loads((run.bundle / "bundle.json").read_text("utf-8"))
    if run.test is None or "test" in info["tested"]["fitted_on"]:
        return  # no photos are there that bundle and run must say the same of
    tested = {row["path"]: row for row in rows_of(run.run / "predictions.csv") if row["part"] == "test"}
    with photograft.load(run.bundle) as classifier:
        for path, row in list(tested.items())[:8]:
            result = classifier.predict(photos / path)
            assert len(result.top) == 3
            for name, probability in result.top:
                assert abs(probability - float(row[f"p_{name}"])) <= 1e-4
    held = tmp_path / "test photos"
    for path in tested:
        (held / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(photos / path, held / path)
    assert main(["evaluate", str(run.run), str(held), "--json"]) == 0, capsys.readouterr().err
    assert f'"accuracy": {run.test.scores["accuracy"]!r}' in capsys.readouterr().out


def test_a_run_leaves_a_bundle_that_says_the_same_and_nothing_else(
    unbroken: TrainedRun, tuning: Tuning, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_finished(unbroken, tuning.photos, tmp_path, capsys)
    assert fits_of(unbroken)[:2] == [("train", 1), ("train", 2)] and fits_of(unbroken)[2][0] == "refit"
    assert unbroken.val is not None and unbroken.oof is None and unbroken.test is not None
    page = (unbroken.run / "report.html").read_text("utf-8")
    assert "<svg" in page and "layer4" in page


def test_a_run_that_does_not_begin_leaves_no_folder(tuning: Tuning, unbroken: TrainedRun, tmp_path: Path) -> None:
    config = tuning.config("train.boundary=cache", "train.boundary_gb=1e-9")
    with pytest.raises(ConfigError, match="boundary_gb"):
        train(tuning.photos, config=config, runs_dir=tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("2*"))


def test_a_loss_that_is_not_finite_ends_it_with_the_last_good_checkpoint(
    tuning: Tuning, unbroken: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = (
        "train.optimizer=sgd",
        "train.head_lr=10",
        "train.lr=10",
        "train.clip=0",
        "train.schedule=constant",
        "train.epochs=20",
    )
    assert main(tuning.command(tmp_path / "runs", *wild)) == 5
    out, err = capsys.readouterr()
    last = err.splitlines()[-1]
    assert out == "" and "diverged" in last and last.endswith("train.lr=1") and "Traceback" not in err
    from photograft.training.checkpoint import load_checkpoint

    (checkpoints,) = tmp_path.glob("runs/2*/checkpoints/train")
    kept = load_checkpoint(checkpoints)
    assert kept is not None and not kept.damaged
    assert all(np.isfinite(tensor.numpy()).all() for tensor in kept.tensors.values())


@pytest.mark.parametrize(
    ("settings", "fits", "parts"),
    [
        (("train.refit=none",), {"train"}, ["train"]),
        (("train.refit=all",), {"train", "refit", "all"}, ["train", "val", "test"]),
        (("split.test=0", "split.folds=2"), {"fold 1", "fold 2", "refit"}, ["train", "val"]),
        (("split.val=0", "split.folds=2"), {"fold 1", "fold 2", "refit"}, ["train", "val"]),
        (("train.blend=false",), {"train", "refit"}, ["train", "val"]),
        (("train.boundary=off",), {"train", "refit"}, ["train", "val"]),
        (("train.epochs=12", "train.early_stopping=1", "train.lr=0.05"), {"train", "refit"}, ["train", "val"]),
        (("train.time_limit=0.0005", "train.epochs=50"), {"train", "refit"}, ["train", "val"]),
    ],
)
def test_every_way_through_the_workflow_ends_well(
    tuning: Tuning,
    unbroken: TrainedRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: tuple[str, ...],
    fits: set[str],
    parts: list[str],
) -> None:
    run = train(tuning.photos, config=tuning.config(*settings), runs_dir=tmp_path)
    check_finished(run, tuning.photos, tmp_path, capsys)
    found = fits_of(run)
    assert {name for name, _ in found} == fits
    tested = json.loads((run.bundle / "bundle.json").read_text("utf-8"))["tested"]
    assert tested["fitted_on"] == parts and (run.test is None) == ("split.test=0" in settings)
    most = max(epoch for _, epoch in found)
    assert most < {"train.epochs=12": 12, "train.epochs=50": 50}.get(settings[0], 2.5)
    reference = unbroken.headline.scores["accuracy"]
    assert run.headline.scores["accuracy"] >= reference - 0.25


def test_the_network_of_a_run_is_trained_again(
    unbroken: TrainedRun, tuning: Tuning, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (f"model.backbone=run:{unbroken.run}", "model.weights=null")
    run = train(tuning.photos, config=tuning.config(*more), runs_dir=tmp_path)
    check_finished(run, tuning.photos, tmp_path, capsys)
    assert (run.run / "network.safetensors").read_bytes() != (unbroken.run / "network.safetensors").read_bytes()


def test_archives_and_tables_with_boxes_are_fine_tuned_on(
    make_photo_folder: Callable[..., Path], tuning: Tuning, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photo_folder(tmp_path / "photos", n=12)
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in sorted(photos.rglob("*.*")):
            zipped.write(path, path.relative_to(photos))
    table = tmp_path / "table.csv"
    lines = [f"photos/{p.relative_to(photos)},{p.parent.name},2,2,60,44" for p in sorted(photos.rglob("*.*"))]
    table.write_text("path,label,x1,y1,x2,y2\n" + "\n".join(lines) + "\n", "utf-8")
    os.utime(table)
    for source in (archive, table):
        run = train(source, config=tuning.config(*LITE), runs_dir=tmp_path / "runs")
        assert run.test is not None and run.test.scores["accuracy"] > 0.6
        assert main(["verify", str(run.bundle)]) == 0
        RunFolder(run.run).check()
    shutil.rmtree(photos)
