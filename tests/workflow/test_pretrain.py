"""`pretrain`: which photos train, what the run folder holds, going on after a kill, and what `train` makes of it."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from safetensors.numpy import load_file

import photograft
from photograft.cli.main import main
from photograft.config import Config, load_config
from photograft.config.recipe import read_recipe
from photograft.errors import ConfigError, DataError, ModelError
from photograft.schemas import load_schema
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.pretrain import PretrainedRun, pretrain, resume_pretraining
from photograft.workflow.pretrain_settings import without_effect
from photograft.workflow.split import split
from photograft.workflow.train import train

pytest.importorskip("torch")

SETTINGS = (
    "model.backbone=autoencoder:4x1", "input.px=64", "pretrain.epochs=2", "pretrain.holdout=0.2",
    "train.precision=fp32", "train.channels_last=false",
)  # fmt: skip

LONGER = ("pretrain.epochs=20", "pretrain.noise=0.05", "train.checkpoint_steps=1")


def settings(*more: str) -> Config:
    return load_config(None, [*SETTINGS, *more])


@pytest.fixture(scope="module")
def split_file(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("split") / "splits 분할.csv"
    split(photo_folder, file, config=load_config(None, ["split.test=0.2"]))
    return file


@pytest.fixture(scope="module")
def pretrained(photo_folder: Path, split_file: Path, tmp_path_factory: pytest.TempPathFactory) -> PretrainedRun:
    runs_dir = tmp_path_factory.mktemp("사전 학습 runs")
    return pretrain(photo_folder, name="그림 첫 번째", runs_dir=runs_dir, config=settings(f"split.file={split_file}"))


def parts_in(run: Path) -> dict[str, str]:
    with (run / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row["part"] for row in csv.DictReader(file)}


def test_the_run_folder_holds_everything_and_is_sealed(pretrained: PretrainedRun) -> None:
    run = pretrained.run
    assert sorted(path.name for path in run.iterdir() if not path.name.startswith(".")) == [
        "checksums.json", "config.resolved.yaml", "config.yaml", "decoder.safetensors", "manifest.csv",
        "network.safetensors", "reconstructions.jpg", "records.jsonl", "report.html", "report.json", "run.json",
    ]  # fmt: skip
    RunFolder(run).check()
    config = load_config(run / "config.resolved.yaml")
    assert (config.model.backbone, config.input.px, config.train.epochs) == ("autoencoder:4x1", 64, 2)
    assert config.model.graft == "scratch" and config.input.flip is not None and config.train.lr == config.pretrain.lr
    assert "stem.0.weight" in load_file(run / "network.safetensors")
    assert "colours.weight" in load_file(run / "decoder.safetensors")
    records = [json.loads(line) for line in (run / "records.jsonl").read_text("utf-8").splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert records[-1]["val_psnr_db"] == pytest.approx(-10 * np.log10(records[-1]["val_loss"]))
    assert pretrained.errors["model"].mse == pytest.approx(records[-1]["val_loss"])
    with Image.open(run / "reconstructions.jpg") as sheet:
        assert sheet.width > 500 and sheet.height > 500
    page = (run / "report.html").read_text("utf-8")
    assert "data:image/jpeg;base64," in page and "<svg" in page and "model.backbone=run:" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_test_photos_are_left_out_and_held_out_ones_do_not_train(
    pretrained: PretrainedRun, photo_folder: Path, split_file: Path
) -> None:
    with split_file.open(encoding="utf-8", newline="") as file:
        given = {row["path"]: row["part"] for row in csv.DictReader(file)}
    used = parts_in(pretrained.run)
    assert {path for path, part in used.items() if part == "test"} == {p for p, part in given.items() if part == "test"}
    counts = {"train": 38, "held_out": 10, "left_out": 12, "rejected": 0}
    assert pretrained.photos == counts and pretrained.warnings == ()


def test_trivial_answers_stand_beside_the_error(pretrained: PretrainedRun, photo_folder: Path) -> None:
    held = [photo_folder / path for path, part in parts_in(pretrained.run).items() if part == "val"]
    spread = []
    for path in held:
        with Image.open(path) as photo:
            spread.append(np.asarray(photo.convert("RGB")).reshape(-1, 3).var(axis=0).mean() / 255**2)
    assert pretrained.errors["mean_colour"].mse == pytest.approx(np.mean(spread), rel=0.05)  # but for the resizing
    for error in pretrained.errors.values():
        assert 0 < error.low <= error.mse <= error.high and 5 < error.psnr_db < 60


def test_copies_of_one_picture_stand_on_one_side(make_photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "복사 본", classes=("a",), n=8)
    for number, path in enumerate(sorted((photos / "a").iterdir())):
        for copy in range(2):
            shutil.copy(path, photos / f"copy {copy} of {number}{path.suffix}")
    run = pretrain(photos, runs_dir=tmp_path / "runs", config=settings("pretrain.epochs=1", "pretrain.holdout=0.4")).run
    used = parts_in(run)
    sides: dict[str, set[str]] = {}
    for path, part in used.items():
        sides.setdefault((photos / path).read_bytes().hex()[:4000], set()).add(part)
    assert len(used) == 24 and all(len(parts) == 1 for parts in sides.values())
    assert set().union(*sides.values()) == {"train", "val"}


def test_damaged_photos_are_named_and_skipped_and_too_many_stop_it(
    make_photo_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photo_folder(tmp_path / "photos", classes=("a", "test"), n=6)
    (photos / "a" / "깨진 사진.jpg").write_bytes(b"\xff\xd8\xff no picture")
    arguments = [*(word for each in SETTINGS for word in ("--set", each)), "--runs-dir", str(tmp_path / "runs")]
    assert main(["pretrain", str(photos), *arguments, "--json"]) == 0
    shown = capsys.readouterr()
    printed = json.loads(shown.out)
    Draft202012Validator(load_schema("pretrain")).validate(printed)
    assert printed["photos"] == {"train": 5, "held_out": 1, "left_out": 6, "rejected": 1}
    assert "1 of 13 files cannot be used and were skipped:\n  a/깨진 사진.jpg: " in shown.err
    for number in range(4):
        (photos / f"{number}.jpg").write_bytes(b"")
    assert main(["pretrain", str(photos), *arguments]) == 3
    assert "more than the setting data.max_bad_fraction" in capsys.readouterr().err
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("model.backbone=timm:resnet18", "pretrain trains an autoencoder, such as autoencoder:32x5"),
        ("model.backbone=cnn:16-32", "pretrain trains an autoencoder"),
        ("model.backbone=efficientnet-lite0", "and not efficientnet-lite0; leave it out"),
        ("model.backbone=autoencoder:4", "model.backbone: autoencoder:4"),
        ("model.hidden=[8]", "model.hidden"),
        ("train.precision=fp16", "fp32 or bf16"),
    ],
)
def test_settings_that_do_not_fit_are_refused(photo_folder: Path, tmp_path: Path, setting: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pretrain(photo_folder, runs_dir=tmp_path / "runs", config=settings(setting))
    assert text in str(caught.value) and not (tmp_path / "runs").exists()


def test_settings_of_training_that_pretraining_does_not_go_by_are_named() -> None:
    given = load_config(
        None, ["train.epochs=3", "train.seed=2", "train.clip=0.5", "augment.flip=both", "augment.hue=0.3"]
    )
    assert without_effect(given) == ["train.epochs", "augment.hue"]
    assert without_effect(read_recipe("painters-pretrain").config()) == []


def test_too_few_photos_and_none_and_a_foreign_split_file(
    make_photo_folder: Callable[..., Path], split_file: Path, tmp_path: Path
) -> None:
    photos = make_photo_folder(tmp_path / "one", classes=("a",), n=1, seed=7)
    with pytest.raises(DataError, match="at least two"):
        pretrain(photos, runs_dir=tmp_path / "runs", config=settings())
    with pytest.raises(DataError, match="none of its rows names one of the 1 photos"):
        pretrain(photos, runs_dir=tmp_path / "runs", config=settings(f"split.file={split_file}"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no photos in it"):
        pretrain(tmp_path / "empty", runs_dir=tmp_path / "runs", config=settings())
    with pytest.raises(ConfigError, match="lies inside the folder of photos"):
        pretrain(photos, runs_dir=photos / "runs", config=settings())
    assert not (tmp_path / "runs").exists()


def test_fewer_epochs_are_made_where_time_is_short(photo_folder: Path, tmp_path: Path) -> None:
    asked = settings("pretrain.epochs=10000", "pretrain.time_limit=0.01", "report.thumbnails=false")
    done = pretrain(photo_folder, runs_dir=tmp_path, config=asked)
    assert 1 <= done.epochs < 100 and not (done.run / "reconstructions.jpg").exists()
    assert f"epochs: {done.epochs}  # 10000 would take longer" in (done.run / "config.resolved.yaml").read_text("utf-8")


def test_a_run_without_classes_says_so(pretrained: PretrainedRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(pretrained.run)
    for verb in (["report", run], ["predict", run, "x.jpg"], ["evaluate", run, "photos"], ["verify", run]):
        assert main(verb) == 4
        said = capsys.readouterr().err
        assert "was pretrained without labels and knows no classes" in said and len(said.splitlines()) == 1
    with pytest.raises(ModelError, match="is finished"):
        resume_pretraining(pretrained.run)


@pytest.fixture(scope="module")
def whole(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PretrainedRun:
    return pretrain(photo_folder, name="x", runs_dir=tmp_path_factory.mktemp("전체"), config=settings(*LONGER))


KILL, INT, TERM = (int(number) for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(KILL, -9), (INT, 130), (TERM, 143)])
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    photo_folder: Path, whole: PretrainedRun, tmp_path: Path, number: int, code: int
) -> None:
    arguments = [word for each in (*SETTINGS, *LONGER) for word in ("--set", each)]
    command = [sys.executable, "-m", "photograft", "pretrain", str(photo_folder), *arguments]
    command += ["--name", "x", "--runs-dir", str(tmp_path / "끊긴 것")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        run = tmp_path / "끊긴 것" / whole.run.name
        deadline = time.monotonic() + 60
        while not list(run.glob("checkpoints/pretrain/step-0000000[3-9]*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        said = process.communicate()[1]
    assert process.returncode == code
    if number != KILL:
        assert f"Go on with: photograft pretrain --resume {shlex.quote(str(run))}" in said
    assert main(["train", "--resume", str(run)]) == 4  # it says which verb goes on
    assert not (run / "network.safetensors").exists()
    gone_on = resume_pretraining(run)
    for name in ("network.safetensors", "decoder.safetensors", "reconstructions.jpg", "manifest.csv"):
        assert (gone_on.run / name).read_bytes() == (whole.run / name).read_bytes(), name
    assert gone_on.errors == whole.errors
    assert not (run / "checkpoints").exists() and not (run / "started.json").exists()
    RunFolder(run).check()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("graft", "more"),
    [
        ("head", ["model.embedding=multi", "input.px=96"]),
        ("all", ["input.px=64", "train.epochs=1", "train.refit=none"]),
    ],
)
def test_train_begins_with_the_encoder(
    pretrained: PretrainedRun, photo_folder: Path, split_file: Path, tmp_path: Path, graft: str, more: list[str]
) -> None:
    asked = [f"model.backbone=run:{pretrained.run}", f"model.graft={graft}", f"split.file={split_file}", *more]
    config = load_config(None, asked, quality="fast")
    done = train(photo_folder, config=config, runs_dir=tmp_path)
    assert done.test is not None and done.test.scores["n"] == 12
    assert not [warning for warning in done.warnings if "pretrained" in warning]


@pytest.mark.slow
def test_train_warns_where_the_encoder_has_seen_the_photos_that_judge_it(
    pretrained: PretrainedRun, photo_folder: Path, tmp_path: Path
) -> None:
    asked = [f"model.backbone=run:{pretrained.run}", "model.graft=head", "model.embedding=multi", "input.px=96"]
    done = train(photo_folder, config=load_config(None, asked, quality="fast"), runs_dir=tmp_path)
    photo = next(photo_folder.rglob("*.png"))
    with photograft.load(done.bundle) as model:
        assert model.predict(photo).label in done.classes
    (warning,) = [warning for warning in done.warnings if "pretrained" in warning]
    assert "was pretrained on 38 of the 60 photos that judge this run, though without their labels" in warning
