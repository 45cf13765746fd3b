"""Heads and hidden layers that are trained by steps, and what stays of every evaluation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.workflow.test_finetune import check_finished, fits_of, report_of
from tests.workflow.tuned import Tuning

from photograft.errors import ConfigError
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Silent
from photograft.workflow.prepare import prepared
from photograft.workflow.train import TrainedRun, plan, train

AT_HEAD = ("model.graft=head", "train.solver=steps", "train.start=zero", "train.epochs=3", "train.lr=0.02")


def records_of(run: TrainedRun) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.run / "records.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.slow
def test_a_head_trained_by_steps_moves_nothing_else_and_keeps_its_evaluations(
    tuning: Tuning, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = (*AT_HEAD, "train.evaluate_steps=1", "train.keep_evaluations=weights", "train.refit=none")
    run = train(tuning.photos, config=tuning.config(*settings), runs_dir=tmp_path)
    check_finished(run, tuning.photos, tmp_path, capsys)
    before, after = load_file(tuning.weights), load_file(run.run / "network.safetensors")
    same = before.keys() & after.keys()
    assert len(same) > 20 and all((before[name] == after[name]).all() for name in same)
    records = [record for record in records_of(run) if record.get("val_loss") is not None]
    assert len(records) > 3 and any(record["epoch"] % 1 for record in records)
    for record in records:
        folder = run.run / "evaluations" / "train" / f"step-{record['step']:06d}"
        with (folder / "confusion.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        correct = [rows[i][i].split("/") for i in range(1, len(rows))]
        share = sum(int(right) for right, _ in correct) / sum(int(total) for _, total in correct)
        assert share == pytest.approx(record["val_accuracy"])
        assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "network.safetensors").is_file() == record["best"]
    kept = load_file(next(iter(sorted((run.run / "evaluations").rglob("network.safetensors")))))
    assert kept["head.weight"].shape[0] == len(run.classes)
    shipped = load_file(run.run / "model" / "heads" / "head.safetensors").values()
    last = load_file(sorted((run.run / "evaluations").rglob("network.safetensors"))[-1])["head.weight"]
    assert any(each.shape == last.shape and np.allclose(each, last, rtol=1e-5) for each in shipped)
    summary = report_of(run)["training"]["summary"]
    assert summary["trainable"] == sum(kept[name].size for name in ("head.weight", "head.bias"))


@pytest.mark.slow
def test_hidden_layers_stand_between_a_frozen_network_and_the_head(
    tuning: Tuning, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("model.graft=head", 'model.hidden=["8 batchnorm", 6]', "train.dropout=0.2", "train.epochs=2")
    run = train(tuning.photos, config=tuning.config(*settings), runs_dir=tmp_path)
    check_finished(run, tuning.photos, tmp_path, capsys)
    summary = report_of(run)["training"]["summary"]
    trained = [layer["name"] for layer in summary["layers"] if not layer["frozen"]]
    assert trained[-1] == "head" and all(name.startswith("hidden.") for name in trained[:-1])
    width = next(layer["parameters"] for layer in summary["layers"] if layer["name"] == trained[0]) // 8 - 1
    sizes = [layer["parameters"] for layer in summary["layers"] if not layer["frozen"]]
    assert sizes == [(width + 1) * 8, 16, (8 + 1) * 6, (6 + 1) * len(run.classes)]
    tensors = load_file(run.run / "network.safetensors")
    assert {name for name in tensors if name.startswith("hidden.") and "running" in name}
    assert tensors[next(name for name in tensors if name.endswith("running_mean") and "hidden" in name)].any()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("model.graft=head",), "comes without weights.*model.graft=scratch"),
        (("model.graft=head", "model.weights=random"), "random weights.*train.solver=steps"),
        (("model.graft=scratch", "train.blend=true"), "train.blend"),
        pytest.param(
            ("model.backbone=timm:test_vit", "model.graft=scratch", "model.pool=average", "input.px=auto"),
            "^model.pool: this network has no last feature map",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("model.graft=scratch", 'model.hidden=["4 batchnorm"]', "train.batch_size=1"),
            "train.batch_size",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_random_weights_are_frozen_only_where_that_is_meant(
    tuning: Tuning, settings: tuple[str, ...], told: str
) -> None:
    asked = ("model.backbone=cnn:4-8", "model.weights=null", *settings)
    with pytest.raises(ConfigError, match=told):
        plan(tuning.photos, config=tuning.config(*asked))


@pytest.mark.slow
def test_a_plain_network_is_trained_from_random_weights(
    tuning: Tuning, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("model.backbone=cnn:4-8", "model.weights=null", "model.graft=auto", "model.hidden=[16]")
    config = tuning.config(*settings, "train.epochs=6", "train.lr=0.01", "train.ema=0", "train.refit=none")
    run = train(tuning.photos, config=config, runs_dir=tmp_path)
    check_finished(run, tuning.photos, tmp_path, capsys)
    summary = report_of(run)["training"]["summary"]
    sizes = [layer["parameters"] for layer in summary["layers"]]
    assert sizes == [3 * 9 * 4 + 4, 4 * 9 * 8 + 8, 16 * 16 * 8 * 16 + 16, 17 * len(run.classes)]
    assert summary["graft"] == "scratch" and {fit for fit, _ in fits_of(run)} == {"train"}
    losses = [record["train_loss"] for record in records_of(run) if "train_loss" in record]
    assert losses[-1] < losses[0]


def test_models_of_single_factors_and_their_run_are_settled_alike(tuning: Tuning, tmp_path: Path) -> None:
    paths = sorted(tuning.photos.rglob("*.jpg"))
    rows = [f"{path},{path.parent.name},{'odd' if i % 2 else 'even'}\n" for i, path in enumerate(paths)]
    (tmp_path / "table.csv").write_text("path,kind,turn\n" + "".join(rows), "utf-8")
    settings = ("data.labels.factors=[kind, turn]", "model.labels=models", "model.backbone=cnn:4")
    config = tuning.config(*settings, "model.weights=null", "model.graft=auto")
    with prepared(tmp_path / "table.csv", config, Clock(), Silent()) as ready:
        assert [setup.config.model.graft for setup in ready.members] == ["scratch", "scratch"]
        assert ready.config.model.graft == "scratch" and ready.config.train.batchnorm == "moved"
