from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import photograft
from photograft.data.csv_text import read_table
from photograft.errors import ConfigError, DataError
from photograft.reporting.records import read_manifest
from photograft.schemas import load_schema
from photograft.tracking.cache import Cache, cache_folder
from photograft.workflow.narrator import Silent
from photograft.workflow.train import TrainedRun

Draw = Callable[..., Path]
FILES = {
    *("config.yaml", "config.resolved.yaml", "manifest.csv", "issues.csv", "splits.csv", "records.jsonl"),
    *("predictions.csv", "confusion.csv", "confusion.svg", "confusion.png", "report.html", "report.json", "run.json"),
    *("label_doubts.csv", "neighbours.safetensors", "checksums.json", "model"),
}


@pytest.fixture(scope="module")
def parted(make_photo_folder: Draw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Given parts, with one training photo a second time in the test part, and one test photo under a wrong label."""
    root = tmp_path_factory.mktemp("parts") / "나눈 사진"
    make_photo_folder(root / "train", n=16)
    make_photo_folder(root / "test", n=8, seed=1)
    shutil.copyfile(root / "train/daisy/daisy 00.jpg", root / "test/daisy/a copy.jpg")
    (root / "test/daisy/daisy 01.jpg").rename(root / "test/sun flower/wrong label.jpg")
    return root


@pytest.fixture(scope="module")
def parted_run(parted: Path, tiny_config: photograft.Config, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return photograft.train(parted, config=tiny_config, runs_dir=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def train(tiny_config: photograft.Config, tmp_path: Path) -> Callable[..., TrainedRun]:
    """Train at 64 px into `tmp_path / "runs"`, with more settings."""

    def train(folder: Path, *assignments: str) -> TrainedRun:
        config = photograft.load_config(None, ["input.px=64", *assignments], quality="fast")
        return photograft.train(folder, config=config, runs_dir=tmp_path / "runs")

    return train


def rows(run: TrainedRun, name: str) -> list[dict[str, str]]:
    return read_table((run.run / name).read_bytes())


def check_schema(verb: str, value: Any) -> None:
    Draft202012Validator(load_schema(verb)).validate(json.loads(json.dumps(value, allow_nan=False)))


def fingerprint(root: Path) -> dict[str, tuple[int, int, str]]:
    """Every file and folder with its permissions, time and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def test_a_run_holds_its_files_and_they_agree(parted_run: TrainedRun) -> None:
    assert {p.name for p in parted_run.run.iterdir() if not p.name.startswith(".")} == FILES
    assert not list(parted_run.run.rglob("*.tmp")) and not (parted_run.run / ".model").exists()
    manifest = read_manifest((parted_run.run / "manifest.csv").read_bytes(), Path("x"))
    splits, predictions = rows(parted_run, "splits.csv"), rows(parted_run, "predictions.csv")
    assert len(manifest.photos) == len(splits) == len(predictions) == 73
    assert {r["path"]: (r["part"], r["fold"]) for r in splits} == {
        r["path"]: (r["part"], r["fold"]) for r in predictions
    }
    report = json.loads((parted_run.run / "report.json").read_text("utf-8"))
    printed = parted_run.to_json()
    check_schema("train", printed)
    assert report["run"] == parted_run.run.name and report["warnings"] == printed["warnings"]
    assert report["evaluations"][0]["scores"] == printed["test"]
    assert report["evaluations"][1]["scores"] == printed["oof"]
    assert parted_run.headline is parted_run.test
    for part, name in (("test", "test"), ("", "oof")):
        # The leaked copy is predicted, but left out of the score of the test part.
        judged = [
            r for r in predictions if (r["part"] == "test") == (part == "test") and r["path"] != "test/daisy/a copy.jpg"
        ]
        right = sum(r["label"] == r["predicted"] for r in judged)
        assert printed[name]["n"] == len(judged) and printed[name]["accuracy"] == pytest.approx(right / len(judged))
    cells = list(csv.reader(io.StringIO((parted_run.run / "confusion.csv").read_text("utf-8"))))
    correct = sum(int(cells[k + 1][k + 1].split("/")[0]) for k in range(3))
    assert correct / printed["test"]["n"] == pytest.approx(printed["test"]["accuracy"])
    resolved = yaml.safe_load((parted_run.run / "config.resolved.yaml").read_text("utf-8"))
    assert (
        resolved["train"]["strength"] == report["settings"]["train"]["strength"] and resolved["input"]["flip"] is False
    )
    records = [json.loads(line) for line in (parted_run.run / "records.jsonl").read_text().splitlines()]
    assert min(records, key=lambda r: r["oof_log_loss"])["strength"] == resolved["train"]["strength"]
    page = (parted_run.run / "report.html").read_text("utf-8")
    assert "노란 튤립" in page and "http://" not in page.replace("http://www.w3.org", "")


class Lines(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)


def test_a_cache_folder_that_cannot_be_is_named(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "file" / "x"))
    lines = Lines()
    with pytest.raises(ConfigError, match=r"cache\.dir.*PHOTOGRAFT_CACHE"):
        photograft.train(photo_folder, config=tiny_config, runs_dir=tmp_path / "runs", narrator=lines)
    assert lines.said[0].startswith("warning: Nothing is cached") and not (tmp_path / "runs").exists()


def test_a_damaged_cache_is_said_at_once_and_in_the_end(
    photo_folder: Path,
    tiny_run: TrainedRun,
    tiny_config: photograft.Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(cache_folder() / "networks", tmp_path / "cache" / "networks")
    with Cache(tmp_path / "cache") as cache:
        damaged = cache.path
    damaged.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "cache"))
    lines = Lines()
    run = photograft.train(photo_folder, config=tiny_config, runs_dir=tmp_path / "runs", narrator=lines)
    assert "started anew" in lines.said[0] and any("started anew" in warning for warning in run.warnings)


@pytest.mark.parametrize("inside", [".", "runs", "daisy/more"])
def test_runs_are_never_written_into_the_photos(
    photo_folder: Path, tiny_config: photograft.Config, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    before = fingerprint(photo_folder)
    with pytest.raises(ConfigError, match=r"--runs-dir.*나의 사진"):
        photograft.train(photo_folder, config=tiny_config, runs_dir=photo_folder / inside)
    monkeypatch.chdir(photo_folder)
    with pytest.raises(ConfigError, match="choose a place outside"):
        photograft.train(".", config=tiny_config)
    assert fingerprint(photo_folder) == before


def test_the_bundle_predicts_what_the_run_says(parted_run: TrainedRun, parted: Path) -> None:
    test = [r for r in rows(parted_run, "predictions.csv") if r["part"] == "test"]
    assert len(test) == 25
    with photograft.load(parted_run.run) as model:
        predictions = model.predict([parted / r["path"] for r in test])
    assert isinstance(predictions, list)
    for row, prediction in zip(test, predictions, strict=True):
        assert prediction.label == row["predicted"]
        for name, probability in prediction.top:
            assert probability == pytest.approx(float(row[f"p_{name}"]), abs=1e-4)


def test_given_parts_win_and_leaks_are_scored_with_and_without(parted_run: TrainedRun) -> None:
    assert all(r["part"] == r["path"].split("/")[0] for r in rows(parted_run, "splits.csv") if r["part"] != "val")
    report = json.loads((parted_run.run / "report.json").read_text("utf-8"))
    names = [e["what"] for e in report["evaluations"]]
    assert names == ["test", "out-of-fold", "test with leaks"]
    assert [e["scores"]["n"] for e in report["evaluations"]] == [24, 48, 25]
    assert any("1 of 25 test photos have a duplicate in training" in w for w in parted_run.warnings)
    assert report["split"]["leaked"] == 2


def test_a_test_part_of_copies_gives_no_test_score(train: Callable[..., TrainedRun], photo_folder: Path) -> None:
    root = photo_folder.parent / "all leaked"
    for part, n in (("train", 12), ("test", 4)):
        for folder in photo_folder.iterdir():
            (root / part / folder.name).mkdir(parents=True)
            for photo in sorted(folder.iterdir())[:n]:
                shutil.copy(photo, root / part / folder.name)
    run = train(root)
    assert run.test is None and run.oof is run.headline and "test" not in run.to_json()
    assert any("Every test photo has a duplicate in training" in w for w in run.warnings)
    assert json.loads((run.bundle / "bundle.json").read_text("utf-8"))["tested"]["what"] == "out-of-fold"


def test_leaked_photos_can_be_left_out_of_training(train: Callable[..., TrainedRun], parted: Path) -> None:
    run = train(parted, "split.on_leak=drop")
    predictions = {r["path"]: r for r in rows(run, "predictions.csv")}
    assert "train/daisy/daisy 00.jpg" not in predictions and "test/daisy/a copy.jpg" in predictions
    assert not any("have a duplicate" in w for w in run.warnings)


def test_the_same_seed_gives_the_same_run(train: Callable[..., TrainedRun], photo_folder: Path) -> None:
    one, two, other = (train(photo_folder, f"split.seed={seed}") for seed in (3, 3, 4))
    names = ("predictions.csv", "splits.csv", "manifest.csv", "confusion.csv", "records.jsonl")
    for name in (*names, "model/heads/head.safetensors", "model/bundle.json"):
        assert (one.run / name).read_bytes() == (two.run / name).read_bytes(), name
    assert (one.run / "splits.csv").read_bytes() != (other.run / "splits.csv").read_bytes()
    assert [r.run.name[10:] for r in (one, two, other)] == ["-나의 사진", "-나의 사진-2", "-나의 사진-3"]


def test_photos_are_only_read(make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path) -> None:
    folder = make_photo_folder(tmp_path / "읽기 전용", n=6)
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = fingerprint(folder)
    try:
        train(folder)
        assert fingerprint(folder) == before
    finally:
        for path in everything:
            path.chmod(0o755)


def test_every_opening_of_the_test_part_is_counted(train: Callable[..., TrainedRun], parted: Path) -> None:
    first, second = train(parted), train(parted, "train.balance=balanced")
    assert not any("opened" in w for w in first.warnings)
    assert any("opened 2 times" in w for w in second.warnings)
    assert json.loads((second.run / "report.json").read_text("utf-8"))["test_openings"] == 2


def test_a_closed_test_part_is_not_looked_at(train: Callable[..., TrainedRun], parted: Path) -> None:
    run = train(parted, "split.open_test=false")
    assert run.test is None
    assert run.headline is run.oof
    rows = (run.run / "predictions.csv").read_text("utf-8").splitlines()
    assert rows[1:]
    assert not any(",test," in row for row in rows)
    assert json.loads((run.run / "report.json").read_text("utf-8"))["test_openings"] == 0
    assert not (run.run.parent / "test-openings.json").exists()


def test_what_the_shipped_head_is_fitted_on(train: Callable[..., TrainedRun], parted: Path) -> None:
    runs = {
        refit: train(parted, f"train.refit={refit}", "train.strength=0.1") for refit in ("none", "train_val", "all")
    }
    heads = {refit: (run.bundle / "heads/head.safetensors").read_bytes() for refit, run in runs.items()}
    assert len(set(heads.values())) == 3
    scores = {refit: run.to_json()["test"] for refit, run in runs.items()}
    assert scores["all"] == scores["train_val"] != scores["none"]  # all: the score is that of the head before
    assert any("train.refit is all" in w for w in runs["all"].warnings)
    assert all(photograft.verify(run.bundle).ok for run in runs.values())


def test_without_a_test_part_the_score_is_out_of_fold(tiny_run: TrainedRun) -> None:
    assert tiny_run.test is None and tiny_run.headline is tiny_run.oof
    printed = tiny_run.to_json()
    check_schema("train", printed)
    assert printed["oof"]["n"] == 60 and "test" not in printed
    assert all(r["part"] == "train" and r["fold"] in set("01234") for r in rows(tiny_run, "splits.csv"))


def test_two_classes_have_auroc(make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path) -> None:
    folder = make_photo_folder(tmp_path / "둘", classes=("good", "결함"), n=12)
    for path in sorted((folder / "결함").iterdir())[8:]:
        path.unlink()
    run = train(folder)
    check_schema("train", run.to_json())
    assert run.to_json()["oof"]["positive"] == "결함" and 0 <= run.to_json()["oof"]["auroc"] <= 1
    chosen = train(folder, "report.positive=good").to_json()["oof"]
    assert chosen["positive"] == "good"


def test_a_positive_class_that_is_none_is_a_wrong_setting(
    make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "둘", classes=("good", "결함"), n=6)
    with pytest.raises(ConfigError, match="positive"):
        train(folder, "report.positive=bad")
    assert not list((tmp_path / "runs").glob("2*"))


def test_twelve_classes_have_top5(make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path) -> None:
    run = train(make_photo_folder(tmp_path / "many", classes=[f"class {k}" for k in range(12)], n=5))
    check_schema("train", run.to_json())
    scores = run.to_json()["oof"]
    assert scores["accuracy"] <= scores["top5"] <= 1


def test_damaged_files_are_skipped_up_to_the_limit(
    make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "photos", n=8)
    for i in range(3):
        (folder / "daisy" / f"daisy {i:02d}.jpg").write_bytes(b"" if i else b"no picture")
    (folder / "daisy" / ".DS_Store").write_bytes(b"x")
    (folder / "__MACOSX").mkdir()
    run = train(folder)
    manifest = read_manifest((run.run / "manifest.csv").read_bytes(), folder)
    assert manifest.count_verdicts() == {"ok": 21, "empty": 2, "not_an_image": 1}
    assert len(rows(run, "predictions.csv")) == 21
    report = json.loads((run.run / "report.json").read_text("utf-8"))
    assert (report["photos"]["found"], report["photos"]["rejected"]) == (24, 3)
    (folder / "daisy" / "daisy 03.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"4 of 24 files cannot be used(.|\n)*daisy 00\.jpg: not_an_image"):
        train(folder)
    assert len(list((tmp_path / "runs").glob("2*"))) == 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"a": 6}, "only 1 class"),
        ({"a": 6, "b": 1}, "(?s)cross-validation.*b: 1 group of 1 photo"),
        ({"a": 2, "b": 2}, "for 5 folds"),
        ({"a": 6, "b": 0}, "No usable photos in class b|class"),
        ({}, "nothing in it"),
    ],
)
def test_folders_that_cannot_be_trained_on_say_why(
    make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path, counts: dict[str, int], message: str
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for k, (name, n) in enumerate(counts.items()):
        drawn = make_photo_folder(tmp_path / f"drawn {k}", classes=(name,), n=n, seed=k)
        (drawn / name).rename(folder / name)
    with pytest.raises(DataError, match=message):
        train(folder)
    assert not (tmp_path / "runs").exists()


def test_a_class_emptied_by_damage_is_named(
    make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "photos", n=6)
    for path in list((folder / "daisy").iterdir())[2:]:
        path.unlink()
    for path in (folder / "daisy").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="No usable photos in class daisy"):
        train(folder)


def test_a_folder_that_is_not_there(train: Callable[..., TrainedRun], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        train(tmp_path / "없는 폴더")


def test_balance_reaches_the_head(train: Callable[..., TrainedRun], make_photo_folder: Draw, tmp_path: Path) -> None:
    folder = make_photo_folder(tmp_path / "photos", n=10)
    for path in sorted((folder / "daisy").iterdir())[5:]:
        path.unlink()
    heads = [
        (train(folder, f"train.balance={b}", "train.strength=0.1").bundle / "heads/head.safetensors").read_bytes()
        for b in ("none", "balanced")
    ]
    assert heads[0] != heads[1]


def test_a_dry_run_plans_and_writes_no_run(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = photograft.plan(photo_folder, config=tiny_config)
    check_schema("plan", planned.to_json())
    assert 0 < planned.estimate.training_s <= planned.estimate.seconds
    assert planned.estimate.n_photos == 60 and any("64 px" in line for line in planned.lines)
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_stay_away_where_the_setting_says_so(train: Callable[..., TrainedRun], parted: Path) -> None:
    pages = [
        (train(parted, f"report.thumbnails={v}").run / "report.html").read_text("utf-8") for v in ("true", "false")
    ]
    assert "wrong label.jpg" in pages[0] and "wrong label.jpg" in pages[1]
    assert "data:image/jpeg" in pages[0] and "data:image/jpeg" not in pages[1]


def test_a_run_can_be_rendered_again_also_without_its_photos(
    train: Callable[..., TrainedRun], parted: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(parted, tmp_path / "moved"))
    run = train(copy)
    (run.run / "report.html").unlink()
    shutil.rmtree(copy)
    assert photograft.report(run.run) == run.run / "report.html"
    assert "노란 튤립" in (run.run / "report.html").read_text("utf-8")


def test_a_run_says_what_it_was_made_with(parted_run: TrainedRun, parted: Path) -> None:
    made = json.loads((parted_run.run / "run.json").read_text("utf-8"))
    assert made["photos"] == os.fspath(parted) and len(made["data_sha256"]) == 64
    assert made["versions"]["photograft"] == photograft.__version__


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
def test_names_that_are_not_utf8_train_and_predict(
    make_photo_folder: Draw, train: Callable[..., TrainedRun], tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "photos", n=6)
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/daisy/caf\xe9.jpg"))
    try:
        (folder / "daisy" / "daisy 00.jpg").rename(odd)
    except OSError:
        pytest.skip("this file system only takes UTF-8 names")
    shutil.copyfile(odd, folder / "sun flower" / "=cmd|' -C calc'!A0.jpg")
    run = train(folder)
    assert len(rows(run, "predictions.csv")) == 19
    manifest = read_manifest((run.run / "manifest.csv").read_bytes(), folder)
    assert {"daisy/" + odd.name, "sun flower/=cmd|' -C calc'!A0.jpg"} <= {p.path for p in manifest.photos}
    assert "label_conflict" in (run.run / "issues.csv").read_text("utf-8", "surrogateescape")
