"""Runs choose limits for what they ship, and predict keeps to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import photograft
from photograft.cli.main import main
from photograft.config.predict import PredictConfig
from photograft.errors import ConfigError
from photograft.inference.classifier import Prediction
from photograft.models.bundle import read_bundle
from photograft.models.bundle_rows import DecisionsRow
from photograft.models.decisions import FILE
from photograft.workflow.train import TrainedRun


def test_a_run_ships_what_tells_strangers_and_reports_how_well(tiny_run: TrainedRun) -> None:
    bundle = read_bundle(tiny_run.bundle)
    row = bundle.info.decisions.unfamiliar
    assert row is not None and row.network == bundle.info.networks[0].id and bundle.familiar is not None
    assert (tiny_run.bundle / FILE).stat().st_size < 1_000_000
    section = json.loads((tiny_run.run / "report.json").read_text("utf-8"))["decisions"]
    assert section["unfamiliar"]["limit"] == row.limit and section["unfamiliar"]["n"] == 60
    assert {each["name"] for each in section["unfamiliar"]["classes"]} == set(tiny_run.classes)
    assert section["unsure"]["n"] == 60 and section["unsure"]["precision"] == 0.95
    assert 'id="decisions"' in (tiny_run.run / "report.html").read_text("utf-8")
    assert photograft.verify(tiny_run.bundle).ok


def test_noise_is_unfamiliar_and_photos_of_the_classes_are_not(tiny_run: TrainedRun, photo_folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with photograft.load(tiny_run.bundle) as model:
        found = model.predict([noise, *sorted(photo_folder.glob("*/*.jpg"))])
    assert isinstance(found, list) and found[0].status == "unfamiliar" and found[0].label in tiny_run.classes
    strange = sum(each.status == "unfamiliar" for each in found[1:])
    assert strange <= 0.1 * len(found)


def test_predict_says_it_in_every_form(
    tiny_run: TrainedRun, photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = next(iter(sorted(photo_folder.glob("*/*.jpg"))))
    call = ["predict", str(tiny_run.bundle), str(photo), "--min-probability", "1"]
    with photograft.load(tiny_run.bundle, min_probability=1) as model:
        wanted = model.predict(photo)
    assert isinstance(wanted, Prediction) and wanted.status in ("unsure", "unfamiliar")
    assert main(call) == 0
    out, err = capsys.readouterr()
    assert out.split("\t")[1] == wanted.status and f"1 of 1 photos {wanted.status}: " in err
    table = tmp_path / "표.csv"
    assert main([*call, "--json", "--csv", str(table)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["status"], row["label"]) == (wanted.status, wanted.label)
    assert f",{wanted.status},{wanted.label}," in table.read_text("utf-8")


def test_a_damaged_file_is_refused_by_name(bundle_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle_copy / FILE).write_bytes((bundle_copy / FILE).read_bytes()[:-1])
    assert main(["predict", str(bundle_copy), "photo.jpg"]) == 4
    assert "unfamiliar.safetensors was changed or damaged" in capsys.readouterr().err


def test_nothing_is_decided_where_it_is_not_asked_for(
    tiny_config: photograft.Config, photo_folder: Path, tmp_path: Path
) -> None:
    predict = PredictConfig(precision=None, unfamiliar=None)
    run = photograft.train(photo_folder, config=tiny_config.model_copy(update={"predict": predict}), runs_dir=tmp_path)
    bundle = read_bundle(run.bundle)
    assert bundle.info.decisions == DecisionsRow() and bundle.info.requires == ("core",)
    assert not (run.bundle / "decisions").exists()
    assert 'id="decisions"' not in (run.run / "report.html").read_text("utf-8")


@pytest.mark.parametrize("setting", ["predict.precision=1", "predict.precision=0.2", "predict.unfamiliar=0.5"])
def test_settings_that_mean_nothing_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        photograft.load_config(None, [setting])
