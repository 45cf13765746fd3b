"""Factors, several labels, ensembles and folds, from a table of photos to a bundle that says the same."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image, ImageEnhance
from tests.workflow.tuned import Case, Tuning, run_cases

import photograft
from photograft.data.csv_text import read_table
from photograft.errors import ConfigError, DataError
from photograft.models.bundle import read_bundle
from photograft.schemas import load_schema
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.fits import checkpoint_folder
from photograft.workflow.members import member_folder
from photograft.workflow.train import TrainedRun

SHAPES, LIGHTS = ("원", "rectangle", "triangle"), ("dark", "light")
DOUBLES = ("ensemble.members.A/B.flip=true", "ensemble.members.a?b.flip=true")
FACTORS = ("data.labels.factors=[모양, light]", "data.labels.group=person")


@pytest.fixture(scope="module")
def table(make_photo_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 photos of three shapes, a half of them dark: `labels.csv` names both, and six persons who took them."""
    folder = make_photo_folder(tmp_path_factory.mktemp("composite") / "나의 사진", classes=SHAPES, n=32)
    rows = []
    for path in sorted(folder.rglob("*.*")):
        number = int(path.stem[-2:])
        light = LIGHTS[number % 2]
        with Image.open(path) as photo:
            ImageEnhance.Brightness(photo).enhance(1.0 if light == "light" else 0.35).save(path, quality=92)
        labels = f"{path.parent.name};{light}" if number % 4 < 2 else path.parent.name
        rows.append([path.relative_to(folder).as_posix(), path.parent.name, light, f"p{number % 16}", labels])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "모양", "light", "person", "tags"], *rows])
    return folder / "labels.csv"


def train(table: Path, runs: Path, *settings: str) -> TrainedRun:
    config = photograft.load_config(None, ["input.px=64", *settings], quality="fast")
    run = photograft.train(table, config=config, runs_dir=runs)
    Draft202012Validator(load_schema("train")).validate(json.loads(json.dumps(run.to_json())))
    assert photograft.verify(run.run).ok
    return run


def rows_of(run: TrainedRun, part: str) -> list[dict[str, str]]:
    return [row for row in read_table((run.run / "predictions.csv").read_bytes()) if row["part"] == part]


def check_bundle_agrees(run: TrainedRun, table: Path) -> None:
    """What the bundle says of the files of the test part is what the run has written down."""
    rows = rows_of(run, "test")
    assert len(rows) >= 12
    with photograft.load(run.run) as model:
        predictions = model.predict([table.parent / row["path"] for row in rows])
    assert isinstance(predictions, list)
    for row, predicted in zip(rows, predictions, strict=True):
        expected = [float(row[f"p_{name}"]) for name, _ in predicted.top]
        assert np.allclose([p for _, p in predicted.top], expected, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def heads(table: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """One head per factor, adjusted, with a test part."""
    more = ("model.labels=heads", "split.test=0.25", "train.logit_adjustment=0.5", "data.labels.order=[dark, light]")
    return train(table, tmp_path_factory.mktemp("runs"), *FACTORS, *more)


def test_heads_on_one_network_give_combinations_and_factors(heads: TrainedRun, table: Path) -> None:
    assert heads.classes == tuple(f"{shape} | {light}" for shape in sorted(SHAPES) for light in LIGHTS)
    bundle = read_bundle(heads.bundle)
    assert [target.kind for target in bundle.targets] == ["softmax", "binary"]
    assert len(bundle.networks) == 1 and len(bundle.heads) == 2 and bundle.joint
    assert heads.test is not None
    scores = heads.test.scores["factors"]
    assert set(scores) == {"모양", "light"} and scores["모양"]["accuracy"] > 0.8
    right = min(each["accuracy"] for each in scores.values())
    assert heads.test.scores["accuracy"] <= right
    check_bundle_agrees(heads, table)


def test_factors_reach_predict_and_evaluate(heads: TrainedRun, table: Path) -> None:
    with photograft.load(heads.run) as model:
        predicted = model.predict(next(table.parent.glob("원/*.jpg")))
    assert set(predicted.factors) == {"모양", "light"}
    assert predicted.label == " | ".join(predicted.factors[name].label for name in ("모양", "light"))
    tested = photograft.evaluate(heads.run, table)
    assert set(tested.to_json()["test"]["factors"]) == {"모양", "light"}
    Draft202012Validator(load_schema("evaluate")).validate(json.loads(json.dumps(tested.to_json())))
    report = json.loads((heads.run / "report.json").read_text("utf-8"))
    assert report["balance"]["power"] == 0.5 and (heads.run / "confusion_모양.csv").is_file()


@pytest.mark.slow
def test_models_of_their_own_and_an_ensemble_predict_together(table: Path, tmp_path: Path) -> None:
    run = train(
        table,
        tmp_path,
        *FACTORS,
        "model.labels=models",
        "split.test=0.25",
        "model.factors.모양.px=96",
        "model.factors.light.balance=sqrt",
        "ensemble.members.작은 것.flip=true",
        "ensemble.weights=equal",
        "input.crops=five",
    )
    bundle = read_bundle(run.bundle)
    assert len(bundle.networks) == 4 and len(bundle.contracts) == 2 and len(bundle.heads) == 4
    assert {view.flip for view in bundle.info.views} == {True, False}
    check_bundle_agrees(run, table)
    section = json.loads((run.run / "report.json").read_text("utf-8"))["ensemble"]
    assert [member["name"] for member in section["members"]] == ["모양", "모양 작은 것", "light", "light 작은 것"]
    assert all(0 < sum(member["weights"].values()) <= 1.0001 for member in section["members"])
    assert section["gain"]["ms_per_photo"] > section["gain"]["single_ms_per_photo"] > 0
    assert len(list((run.run / "members").glob("*/config.resolved.yaml"))) == 4


def test_several_labels_have_thresholds_and_are_scored_one_by_one(table: Path, tmp_path: Path) -> None:
    settings = ("data.labels.column=tags", "data.labels.separator=;", "data.labels.group=person", "split.test=0.25")
    run = train(table, tmp_path, *settings)
    assert run.classes == tuple(sorted((*SHAPES, *LIGHTS)))
    assert run.test is not None and run.test.scores["map"] > 0.5
    row = read_bundle(run.bundle).info.targets[0]
    assert row.thresholds is not None and len(row.thresholds) == 5
    check_bundle_agrees(run, table)
    with photograft.load(run.run) as model:
        predicted = model.predict(next(table.parent.glob("원/*.jpg")))
    given = {name for name, p in predicted.top if p >= dict(zip(run.classes, row.thresholds, strict=True))[name]}
    assert {name for name, _ in predicted.labels} == given
    tested = photograft.evaluate(run.run, table)
    assert tested.evaluation.scores["n"] == 96 and "map" in tested.to_json()["test"]
    Draft202012Validator(load_schema("evaluate")).validate(json.loads(json.dumps(tested.to_json())))
    with pytest.raises(DataError, match=r"none of its classes"):
        photograft.evaluate(run.run, table, settings=["data.labels.column=person"])


def test_folds_can_be_shipped_as_one_head(table: Path, tmp_path: Path) -> None:
    settings = ("data.labels.column=모양", "data.labels.group=person", "split.test=0")
    merged = train(table, tmp_path / "merged", *settings, "train.refit=folds", "train.strength=1e-3")
    refitted = train(table, tmp_path / "refitted", *settings, "train.on_all=true", "train.strength=1e-3")
    heads = [read_bundle(run.bundle).heads["head"].weight_DM for run in (merged, refitted)]
    assert heads[0].shape == heads[1].shape and not np.allclose(heads[0], heads[1])
    assert np.corrcoef(heads[0].ravel(), heads[1].ravel())[0, 1] > 0.9
    report = json.loads((merged.run / "report.json").read_text("utf-8"))
    assert len(report["folds"]["rows"]) == 5 and report["folds"]["shipped"] == "folds"


def test_a_flat_head_has_factors_too(table: Path, tmp_path: Path) -> None:
    run = train(table, tmp_path, *FACTORS, "split.test=0.25", "train.balance=effective")
    assert run.test is not None and set(run.test.scores["factors"]) == {"모양", "light"}
    check_bundle_agrees(run, table)


def test_a_factor_may_be_called_label(table: Path, tmp_path: Path) -> None:
    other = table.with_name("other.csv")
    other.write_text(table.read_text("utf-8").replace("light", "label", 1), encoding="utf-8")
    settings = ("data.labels.factors=[모양, label]", "data.labels.group=person", "model.labels=models", "split.test=0")
    run = train(other, tmp_path, *settings)
    assert run.oof is not None and set(run.oof.scores["factors"]) == {"모양", "label"}


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (["model.labels=heads"], ConfigError, "model.labels: heads needs factors"),
        ([*FACTORS, "model.factors.lihgt.px=96", "model.labels=models"], ConfigError, "did you mean 'light'"),
        ([*FACTORS, "model.factors.light.px=96", "model.labels=heads"], ConfigError, "set model.labels=models"),
        ([*FACTORS, "model.factors.light.loss=ordinal"], ConfigError, "model.labels is flat"),
        ([*FACTORS, "model.labels=heads", "model.factors.모양.loss=binary"], ConfigError, "there are 3"),
        ([*FACTORS, "model.labels=heads", "model.factors.모양.loss=ordinal"], ConfigError, "give data.labels.order"),
        ([*FACTORS, "data.labels.order=[dark, lihgt]"], ConfigError, "not the values of any factor"),
        ([*FACTORS, "data.labels.order.light=[dark]"], ConfigError, "does not name light"),
        ([*FACTORS, "data.labels.order.size=[dark, light]"], ConfigError, "'size', which is no factor"),
        (["data.labels.column=light", "data.labels.order.light=[dark, light]"], ConfigError, "give a plain list"),
        ([*FACTORS, "ensemble.members.a.backbone=efficientnet-lite9"], ConfigError, "ensemble.members.a.backbone"),
        (["data.labels.column=tags", "data.labels.separator=;", "train.balance=sqrt"], ConfigError, "several labels"),
        ([*FACTORS, "data.classes=[원 | dark, 원 | light]"], DataError, "same 모양"),
        (["data.labels.column=모양", "ensemble.members.model.flip=true"], ConfigError, "called model already"),
        (["data.labels.column=모양", *DOUBLES], ConfigError, "share a folder"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    table: Path, settings: Sequence[str], error: type[Exception], words: str
) -> None:
    config = photograft.load_config(None, ["input.px=64", *settings], quality="fast")
    with pytest.raises(error) as raised:
        photograft.plan(table, config=config)
    assert words in str(raised.value)


@pytest.mark.slow
def test_what_each_member_would_train_is_in_the_plan(table: Path, tuning: Tuning) -> None:
    config = photograft.load_config(
        None, tuned_settings(tuning, "model.labels=models", "model.factors.light.graft=head")
    )
    planned = photograft.plan(table, config=config).to_json()
    assert list(planned["members"]) == ["모양"]
    Draft202012Validator(load_schema("plan")).validate(json.loads(json.dumps(planned)))


def test_names_of_factors_never_lead_out_of_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert checkpoint_folder(run, "../../x/y, fold 1").parent == run.path / "checkpoints"
    assert member_folder(run, "../../x/y").path.parent == run.path / "members"
    assert member_folder(run, "..").path.parent == run.path / "members" and member_folder(run, "..").path.name != ".."


def test_rare_combinations_need_not_be_in_every_fold(table: Path, tmp_path: Path) -> None:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if (row["모양"], row["light"]) != ("원", "dark") or row["person"] == "p0"]
    rare: Any = table.with_name("rare.csv")
    with rare.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    with pytest.raises(DataError, match=r"원 \| dark"):
        train(rare, tmp_path / "flat", *FACTORS, "split.test=0")
    run = train(rare, tmp_path / "heads", *FACTORS, "split.test=0", "model.labels=heads")
    assert run.oof is not None and len(run.classes) == 6


def tuned_settings(tuning: Tuning, *more: str) -> tuple[str, ...]:
    kept = [each for each in tuning.settings() if not each.startswith(("split.test", "train.checkpoint"))]
    return (*kept, *FACTORS, "data.labels.order=[dark, light]", "train.start=linear", *more)


@pytest.mark.slow
def test_a_network_with_two_heads_is_tuned_in_folds_and_all_of_them_shipped(
    table: Path, tuning: Tuning, tmp_path: Path
) -> None:
    settings = tuned_settings(tuning, "model.labels=heads", "train.refit=folds", "split.folds=2", "split.test=0.25")
    run = train(table, tmp_path, *settings)
    assert run.test is not None and set(run.test.scores["factors"]) == {"모양", "light"}
    (network,) = read_bundle(run.bundle).info.networks
    assert network.cut == "last-block"
    check_bundle_agrees(run, table)
    files = sorted(path.name for path in run.run.glob("*.safetensors"))
    assert files == ["fold-1.safetensors", "fold-2.safetensors"]


@pytest.mark.slow
def test_models_per_factor_are_tuned_and_go_on_after_a_stop(table: Path, tuning: Tuning, tmp_path: Path) -> None:
    settings = tuned_settings(
        tuning,
        "model.labels=models",
        "split.test=0.25",
        "model.factors.light.graft=head",
        "train.checkpoint_steps=1",
        "train.time_limit=9",
    )
    options = [each for setting in settings for each in ("--set", setting)]
    command = ["train", str(table), "--quality", "fast", *options, "--json", "--runs-dir"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    kill = {9: [signal.SIGKILL]}
    cases = [Case([*command, str(whole)], {}), Case([*command, str(stopped)], kill, "checkpoints")]
    first, killed = run_cases(cases, tmp_path)
    assert first.code == 0, first.err
    assert killed.code == -signal.SIGKILL
    (run,) = stopped.glob("2*")
    (again,) = run_cases([Case(["train", "--resume", str(run), "--json"], {})], tmp_path)
    assert again.code == 0, again.err
    (unbroken,) = whole.glob("2*")
    report = json.loads((unbroken / "report.json").read_text("utf-8"))
    assert list(report["trainings"]) == ["모양"] and "training" not in report and report["linear"]["what"] == "test"
    for name in ("members/모양/network.safetensors", "predictions.csv", "model/heads/head-1.safetensors"):
        assert (run / name).read_bytes() == (unbroken / name).read_bytes()
    for name in ("config.resolved.yaml", "members/모양/config.resolved.yaml"):
        assert photograft.load_config(run / name) == photograft.load_config(unbroken / name)
