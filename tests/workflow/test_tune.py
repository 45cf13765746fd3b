"""Searches from beginning to end: trials as runs on one split, failures, the winner, kills and workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.conftest import CHECKOUT
from tests.workflow.test_recipes import Listener
from tests.workflow.tuned import Tuning

import photograft
from photograft.cli.main import main
from photograft.config import load_config
from photograft.data.csv_text import read_table
from photograft.errors import ConfigError, DataError, ModelError, TrainingError
from photograft.schemas import load_schema
from photograft.workflow.scoring import score_run
from photograft.workflow.train import TrainedRun
from photograft.workflow.tune import Tuned, resume_tuning, tune
from photograft.workflow.tune_plan import open_search
from photograft.workflow.winner import find_or_train

pytest.importorskip("optuna", reason="needs the tune extra")

SPACE = """
metric: macro_f1
train.strength: {low: 1e-3, high: 1e2, log: true}
train.balance: [none, balanced]
train.epochs: [3]
train.evaluate_from: [1, 4]
"""


def write(folder: Path, text: str = SPACE) -> Path:
    file = folder / "찾을 곳.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def searched(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tuned, Listener]:
    """A search of six trials, of which some fail."""
    folder, listener = tmp_path_factory.mktemp("탐색"), Listener()
    space = write(folder)
    found = tune(
        photo_folder, space=space, config=tiny_config, trials=6, runs_dir=folder / "내 runs", narrator=listener
    )
    return found, listener


def states(found: Tuned) -> list[str]:
    return [trial["state"] for trial in found.document["trials"]]


def test_every_trial_is_a_run_on_one_split_whose_test_part_stays_closed(searched: tuple[Tuned, Listener]) -> None:
    found, _ = searched
    trials = found.document["trials"]
    assert [trial["number"] for trial in trials] == [1, 2, 3, 4, 5, 6]
    assert trials[0]["base"] and trials[0]["state"] == "complete"
    assert set(states(found)) == {"complete", "failed"}
    split = (found.folder / "splits.csv").read_bytes()
    parts = {row["path"]: row["part"] for row in read_table(split)}
    assert sum(part == "test" for part in parts.values()) == found.document["plan"]["test"] > 0
    for trial in trials:
        if trial["state"] == "complete":
            run = found.folder / trial["run"]
            told = read_table((run / "predictions.csv").read_bytes())
            assert "test" not in {row["part"] for row in told}
            assert {row["path"]: row["part"] for row in read_table((run / "splits.csv").read_bytes())} == parts
            assert trial["score"] == pytest.approx(score_run(run, "macro_f1"))
        else:
            assert "evaluate_from must not lie behind" in trial["error"] and trial["run"] is None
    runs = [path.name for path in found.folder.iterdir() if "trial" in path.name and path.is_dir()]
    assert len(runs) == states(found).count("complete")


def test_the_winner_is_trained_once_more_and_the_test_part_opened_once(searched: tuple[Tuned, Listener]) -> None:
    found, listener = searched
    document = found.document
    done = [trial for trial in document["trials"] if trial["score"] is not None]
    assert document["best"] == max(done, key=lambda trial: (trial["score"], -trial["number"]))["number"]
    winner = document["winner"]
    assert winner["openings"] == 1 and winner["test"]["n"] > 0
    openings = json.loads((found.folder.parent / "test-openings.json").read_text("utf-8"))
    assert list(openings.values()) == [[f"{found.folder.name}/{winner['run']}"]]  # counted with the runs beside it
    report = json.loads((found.folder / winner["run"] / "report.json").read_text("utf-8"))
    assert report["evaluations"][0]["what"] == "test"
    best = load_config(found.folder / "best.yaml")
    assert best.split.open_test and best.split.file == (found.folder / "splits.csv").absolute()
    assert any("Trial 1 of 6: macro_f1" in text for text in listener.told)
    assert any("failed: " in text for text in listener.told)


def test_the_document_follows_its_schema_and_the_lines_say_what_to_quote(searched: tuple[Tuned, Listener]) -> None:
    found, _ = searched
    Draft202012Validator(load_schema("tune")).validate(found.to_json())
    assert json.loads((found.folder / "tune.json").read_text("utf-8")) == found.document
    text = "\n".join(found.lines())
    assert "This is the number to quote." in text
    assert "too good to be quoted" in text
    assert f"Next    {found.document['command']}" in text
    assert "photograft train" in text and "best.yaml" in text


def test_more_trials_go_on_with_the_search_and_keep_what_there_is(
    searched: tuple[Tuned, Listener], tmp_path: Path
) -> None:
    before, _ = searched
    found = resume_tuning(before.folder, trials=7)
    assert len(states(found)) == 7
    assert found.document["trials"][:6] == before.document["trials"]
    if found.document["best"] == before.document["best"]:
        assert found.document["winner"] == before.document["winner"]  # not trained again
    again = resume_tuning(before.folder, minutes=0.01)
    assert again.document["trials"] == found.document["trials"]


def test_a_search_without_its_photos_uses_up_no_trials(searched: tuple[Tuned, Listener], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(searched[0].folder, tmp_path / "search"))
    plan = (folder / "search.json").read_text("utf-8")
    gone = json.dumps(json.loads(plan) | {"photos": str(tmp_path / "없는 사진")})
    (folder / "search.json").write_text(gone, "utf-8")
    with pytest.raises(DataError, match=r"the photos of this search are not at .*없는 사진: put them back there"):
        resume_tuning(folder, trials=9)
    assert (folder / "search.json").read_text("utf-8") == gone


def test_a_search_that_was_moved_knows_its_runs_and_removes_no_finished_one(
    searched: tuple[Tuned, Listener], tmp_path: Path
) -> None:
    search = open_search(Path(shutil.copytree(searched[0].folder, tmp_path / "옮긴 곳")))
    (base,) = search.folder.path.glob("*-trial-0001")
    assert find_or_train(search, "trial-0001", search.settings({}), narrator=Listener()) == base
    other = search.settings({"train.strength": 3.0})
    run = find_or_train(search, "trial-0001", other, narrator=Listener())
    assert run != base and (base / "report.html").is_file()
    assert find_or_train(search, "trial-0001", other, narrator=Listener()) == run


def test_where_every_trial_fails_the_first_reason_is_told(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    space = write(tmp_path, "train.strength: [1.0, 2.0]\n")
    config = tiny_config.model_copy(
        update={"model": tiny_config.model.model_copy(update={"backbone": "run:no-such-run"})}
    )
    with pytest.raises(TrainingError, match=r"none of 2 trials gave a model\. The first failed with: .*no-such-run"):
        tune(photo_folder, space=space, config=config, trials=2, runs_dir=tmp_path / "runs")
    document = json.loads(next((tmp_path / "runs").glob("*-tune/tune.json")).read_text("utf-8"))
    assert (document["verdict"], document["best"]) == ("none", None)


def test_what_is_wrong_is_said_before_a_folder_is_made(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    space, runs = write(tmp_path), tmp_path / "runs"
    with pytest.raises(DataError, match="there is no"):
        tune(tmp_path / "nowhere", space=space, config=tiny_config, runs_dir=runs)
    with pytest.raises(ConfigError, match=r"train\.strength has a range"):
        tune(photo_folder, space=space, config=tiny_config, sampler="grid", runs_dir=runs)
    with pytest.raises(ConfigError, match=r"the search space .* does not exist"):
        tune(photo_folder, space=tmp_path / "none.yaml", config=tiny_config, runs_dir=runs)
    with pytest.raises(ConfigError, match="--runs-dir"):
        tune(photo_folder, space=space, config=tiny_config, runs_dir=photo_folder / "runs")
    with pytest.raises(ModelError, match="is no search of photograft tune"):
        resume_tuning(tmp_path)
    assert not runs.exists()


def test_photos_that_cannot_be_divided_leave_no_folder(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    config = tiny_config.model_copy(update={"data": tiny_config.data.model_copy(update={"per_class": 1})})
    with pytest.raises(DataError):
        tune(photo_folder, space=write(tmp_path), config=config, runs_dir=tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_scores_count_one_part_alone_where_that_is_asked(tiny_run: TrainedRun, tmp_path: Path) -> None:
    accuracy = score_run(tiny_run.run, "accuracy")
    assert tiny_run.oof is not None and accuracy == pytest.approx(tiny_run.oof.scores["accuracy"])
    for metric in ("macro_f1", "balanced_accuracy", "log_loss"):
        assert score_run(tiny_run.run, metric) == pytest.approx(tiny_run.oof.scores[metric], abs=1e-6)  # type: ignore[arg-type]
    run = Path(shutil.copytree(tiny_run.run, tmp_path / "run"))
    head, *lines = (run / "predictions.csv").read_text("utf-8").splitlines(keepends=True)
    wrong = [line.replace(",train,", ",val,").replace(",daisy,daisy,", ",daisy,sun flower,") for line in lines[:30]]
    (run / "predictions.csv").write_text("".join([head, *wrong, *lines[30:]]), encoding="utf-8")
    rows = [row for row in read_table((run / "predictions.csv").read_bytes()) if row["part"] == "val"]
    right = sum(row["label"] == row["predicted"] for row in rows) / len(rows)
    assert len(rows) == 30 and score_run(run, "accuracy", part="val") == pytest.approx(right)
    assert 0 < right < score_run(run, "accuracy") < 1


def test_the_command_refuses_what_does_not_go_together(
    tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", str(photo_folder)]) == 2
    assert "give photos and --space FILE" in capsys.readouterr().err
    assert main(["tune", "--name", "x", "--resume", str(tmp_path)]) == 2
    assert "--resume goes on with a search as it was begun" in capsys.readouterr().err
    assert main(["tune", str(photo_folder), "--space", str(write(tmp_path, "trian.lr: [1]\n"))]) == 2
    assert "did you mean `train`?" in capsys.readouterr().err


def command(tuning: Tuning, folder: Path, *more: str) -> list[str]:
    space = write(folder, "train.lr: {low: 1e-4, high: 1e-2, log: true}\ntrain.weight_decay: [0.0, 0.05]\n")
    settings = [each for setting in tuning.settings() for each in ("--set", setting)]
    options = ["--space", str(space), "--runs-dir", str(folder / "runs"), "--name", "t", *more]
    return ["tune", str(tuning.photos), *settings, "--set", "quality=best", *options]


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        line = [sys.executable, "-W", "ignore", "-m", "photograft", *arguments]
        return subprocess.Popen(line, cwd=CHECKOUT, stdout=file, stderr=file)


def document_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next((folder / "runs").glob("*-t-tune/tune.json")).read_text("utf-8"))
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_search_that_is_killed_again_and_again_ends_as_if_it_never_was(tuning: Tuning, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken 곳"
    for folder in (whole, broken):
        folder.mkdir()
    assert start(command(tuning, whole, "--trials", "4"), whole / "log").wait() == 0
    kills = 0
    process = start(command(tuning, broken, "--trials", "4"), broken / "log")
    while True:
        study = next((broken / "runs").glob("*-t-tune"), None) if (broken / "runs").is_dir() else None
        seen = sorted(study.glob("*-trial-*")) if study else []
        try:  # killed in the middle of each trial, while it saves; the last time it is left alone
            process.wait(timeout=0.02)
            break
        except subprocess.TimeoutExpired:
            if kills < 4 and len(seen) > kills and any(seen[-1].glob("checkpoints/*/*")):
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                assert study is not None
                process = start(["tune", "--resume", str(study)], broken / "log")
    assert process.returncode == 0, (broken / "log").read_text("utf-8")
    assert kills == 4
    ours, theirs = document_of(broken), document_of(whole)
    assert [t["number"] for t in ours["trials"]] == [1, 2, 3, 4]
    for mine, other in zip(ours["trials"], theirs["trials"], strict=True):
        assert {key: mine[key] for key in ("state", "values", "score")} == {
            key: other[key] for key in ("state", "values", "score")
        }
    assert ours["best"] == theirs["best"]
    assert ours["winner"]["test"] == theirs["winner"]["test"] and ours["winner"]["openings"] == 1
    assert "it is taken up" in (broken / "log").read_text("utf-8")
    assert len(list(next((broken / "runs").glob("*-t-tune")).glob("*-trial-*"))) == 4


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_workers_share_the_trials_and_ctrl_c_says_how_to_go_on(tuning: Tuning, tmp_path: Path) -> None:
    process = start(command(tuning, tmp_path, "--trials", "6", "--workers", "2"), tmp_path / "log")
    study = None
    while study is None or len(list(study.glob("*-trial-*"))) < 3:
        assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
        time.sleep(0.05)
        study = next((tmp_path / "runs").glob("*-t-tune"), None) if (tmp_path / "runs").is_dir() else None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    log = (tmp_path / "log").read_text("utf-8")
    assert "Go on with: photograft tune --resume" in log
    assert (study / "worker-2.log").is_file()
    first = start(["tune", "--resume", str(study)], tmp_path / "log")
    second = start(["tune", "--resume", str(study)], tmp_path / "second.log")
    assert (first.wait(), second.wait()) == (0, 0)
    document = document_of(tmp_path)
    assert [trial["state"] for trial in document["trials"]] == ["complete"] * 6
    assert document["winner"]["openings"] == 1
    both = (tmp_path / "log").read_text("utf-8") + (tmp_path / "second.log").read_text("utf-8")
    assert both.count("is the winner") == 1
