"""One search by two machines: each with its own photos, cache and home; they share the folder and the storage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CHECKOUT
from tests.workflow.test_recipes import Listener
from tests.workflow.test_trial_claims import fall_silent
from tests.workflow.test_tune import write

import photograft
from photograft.config.storage_url import VARIABLE
from photograft.errors import ConfigError, DataError
from photograft.tracking.run_folder import create_run
from photograft.workflow.trial_claims import FileClaims
from photograft.workflow.trial_storage import StorageProblem
from photograft.workflow.trials import Trials, open_trials
from photograft.workflow.tune import _are_others_at_it, _run_trial, _run_trials, resume_tuning, tune
from photograft.workflow.tune_plan import Plan, Search, begin_search, now, open_search
from photograft.workflow.winner import find_or_train, remove_runs

pytest.importorskip("optuna", reason="needs the tune extra")


def test_a_search_is_joined_with_the_photos_of_this_machine(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, listener = write(tmp_path, "storage: journal\ntrain.strength: [0.1, 1.0, 10.0]\n"), Listener()
    found = tune(photo_folder, space=space, config=tiny_config, trials=2, runs_dir=tmp_path / "공유", narrator=listener)
    assert [trial["state"] for trial in found.document["trials"]] == ["complete"] * 2
    assert found.document["winner"]["openings"] == 1
    assert (found.folder / "trials.journal").is_file() and not list(found.folder.glob(".trial*"))
    here = Path(shutil.copytree(photo_folder, tmp_path / "다른 기계" / "사진"))
    asked = json.loads((found.folder / "search.json").read_text("utf-8"))
    assert (asked["format"], asked["storage"], asked["photos"]) == (2, "journal", str(photo_folder))
    again = resume_tuning(found.folder, photos=here, trials=3, narrator=listener)
    assert len(again.document["trials"]) == 3 and again.document["trials"][:2] == found.document["trials"]
    asked = json.loads((found.folder / "search.json").read_text("utf-8"))
    assert (asked["trials"], asked["photos"]) == (3, str(photo_folder))
    run = json.loads((found.folder / again.document["trials"][2]["run"] / "run.json").read_text("utf-8"))
    assert str(here) in json.dumps(run, ensure_ascii=False)

    next(here.rglob("*.jpg")).unlink()
    with pytest.raises(DataError, match="does not hold the photos that this search was begun with"):
        resume_tuning(found.folder, photos=here)
    with pytest.raises(DataError, match="say where: photograft tune PHOTOS --resume FOLDER"):
        resume_tuning(found.folder, photos=tmp_path / "없는 사진")
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(StorageProblem, match="does not have the search"):
        resume_tuning(found.folder, photos=photo_folder)


def test_the_environment_names_the_storage_and_its_password_is_not_written(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, storage = write(tmp_path, "train.strength: [0.1, 1.0]\n"), f"sqlite:///{tmp_path}/a.db?password=geheim"
    monkeypatch.setenv(VARIABLE, storage)
    found = tune(photo_folder, space=space, config=tiny_config, trials=1, runs_dir=tmp_path / "runs")
    assert open_search(found.folder).storage == storage
    assert json.loads((found.folder / "search.json").read_text("utf-8"))["storage"] == f"sqlite:///{tmp_path}/a.db"
    for file in found.folder.rglob("*"):
        assert not file.is_file() or b"geheim" not in file.read_bytes()
    monkeypatch.setenv(VARIABLE, "redis://h")
    with pytest.raises(ConfigError, match="redis://h is not possible"):
        tune(photo_folder, space=space, config=tiny_config, runs_dir=tmp_path / "others")
    assert not (tmp_path / "others").exists()


def test_photos_beside_resume_are_for_several_machines(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    space = write(tmp_path, "train.strength: [0.1, 1.0]\n")
    found = tune(photo_folder, space=space, config=tiny_config, trials=1, runs_dir=tmp_path / "runs")
    with pytest.raises(ConfigError, match="photos beside --resume are for a search with a `storage`"):
        resume_tuning(found.folder, photos=photo_folder)


def begun(photos: Path, config: photograft.Config, folder: Path, *, storage: str = "storage: journal\n") -> Search:
    """A search of two trials by several machines, none of them run yet."""
    plan = Plan(str(photos), "t", now(), 2, None, "random")
    space = write(folder, f"{storage}train.strength: [0.1, 1.0]\n")
    return begin_search(create_run(folder / "runs", "t-tune"), plan, config, space, Listener())


@contextmanager
def machine(search: Search) -> Iterator[Trials]:
    with open_trials(search.folder, search.space, search.plan.sampler, shared=search.shared()) as trials:
        yield trials


def test_a_machine_that_comes_back_with_an_error_removes_no_run_of_who_took_its_trial_up(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    model = tiny_config.model.model_copy(update={"backbone": "run:no-such-run"})
    search, listener = begun(photo_folder, tiny_config.model_copy(update={"model": model}), tmp_path), Listener()
    with machine(search) as ours, machine(search) as theirs, ours.claim(n=1) as mine:
        assert mine is not None
        fall_silent(theirs, mine)
        with theirs.claim(n=1) as taken:
            assert taken is not None
            runs = {name: create_run(search.folder.path, name) for name in (mine.run, taken.run)}
            for run in runs.values():
                run.write("checksums.json", "{}")
            _run_trial(search, ours, mine, listener)
            assert "was given to another process" in listener.told[-1]
            assert all(run.path.is_dir() for run in runs.values())
            with runs[taken.run].locked():
                remove_runs(search, taken.run)
            assert all(run.path.is_dir() for run in runs.values())
            _run_trial(search, theirs, taken, listener)
            assert runs[mine.run].path.is_dir() and not runs[taken.run].path.exists()
        assert "no-such-run" in ours.rows()[0].reason


def test_a_run_of_who_fell_silent_is_left_alone_until_it_is_finished(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path
) -> None:
    search = begun(photo_folder, tiny_config, tmp_path)
    config, living = search.settings({}), create_run(search.folder.path, "trial-0001")
    living.write("config.yaml", "{}")
    mine = find_or_train(search, "trial-0001-again-3", config, narrator=Listener())
    assert mine.name.endswith("-trial-0001-again-3") and (living.path / "config.yaml").is_file()
    assert find_or_train(search, "trial-0001-again-7", config, narrator=Listener()) == mine
    assert (living.path / "config.yaml").is_file()
    assert find_or_train(search, "trial-0001", config, narrator=Listener()) == mine and not living.path.exists()


def test_a_trial_that_is_given_back_while_others_leave_is_run_before_they_do(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begun(photo_folder, tiny_config, tmp_path)
    with machine(search) as ours, machine(search) as theirs, ExitStack() as at_work:
        assert at_work.enter_context(theirs.claim(n=2)) is not None
        look = ours.others_at_work

        def look_too_late() -> bool:
            at_work.close()  # Ctrl-C on the other machine
            return look()

        monkeypatch.setattr(ours, "others_at_work", look_too_late)
        _run_trials(search, ours, Listener(), None)
        assert [row.state for row in ours.rows()] == ["complete"] * 2


def test_a_trial_that_is_broken_off_before_the_end_is_run_before_the_test_part_is_opened(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begun(photo_folder, tiny_config, tmp_path, storage="")
    with machine(search) as theirs, ExitStack() as at_work:
        assert at_work.enter_context(theirs.claim(n=2)) is not None
        ending = FileClaims.ending

        @contextmanager
        def ending_too_late(self: Any, narrator: Any) -> Iterator[str]:
            at_work.close()  # Ctrl-C in the other process
            with ending(self, narrator) as suffix:
                yield suffix

        monkeypatch.setattr(FileClaims, "ending", ending_too_late)
        found = resume_tuning(search.folder.path)
    assert [trial["state"] for trial in found.document["trials"]] == ["complete"] * 2
    assert found.document["winner"]["openings"] == 1


@pytest.mark.slow
def test_a_machine_whose_time_is_up_leaves_the_end_to_one_that_is_between_two_trials(
    photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begun(photo_folder, tiny_config, tmp_path)
    monkeypatch.setattr("photograft.workflow.tune._BETWEEN_S", 3.0)
    with machine(search) as ours, machine(search) as theirs, ExitStack() as at_work:
        timer = threading.Timer(0.5, lambda: at_work.enter_context(theirs.claim(n=2)))
        timer.start()
        assert _are_others_at_it(ours, n=2)
        timer.join()
        at_work.close()
        began = time.monotonic()
        assert not _are_others_at_it(ours, n=2)
        assert time.monotonic() - began > 3.0
        for _ in range(2):
            with ours.claim(n=2) as claimed:
                assert claimed is not None
                ours.complete(claimed, 0.5, run="x", seconds=1.0)
        with monkeypatch.context() as patch:
            patch.setattr("photograft.workflow.tune.time.sleep", lambda _: pytest.fail("it waits"))
            assert not _are_others_at_it(ours, n=2)  # nothing is left that anybody could begin


def start(machine: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    """The command on a machine with a home, a cache and a folder of its own."""
    homes = {"HOME": str(machine), "USERPROFILE": str(machine), "PHOTOGRAFT_CACHE": str(machine / "cache")}
    command = [sys.executable, "-W", "ignore", "-m", "photograft", *arguments]
    modules = os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, **homes, "PYTHONPATH": modules, "OMP_NUM_THREADS": "1"}
    with (machine / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=machine, env=environment, stdout=log, stderr=log)


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["sqlite:///{}/trials.db", "journal:{}/나의 기록.log"])
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.usefixtures("tiny_run")  # which leaves what is cached, for the machine that is to be the faster one
def test_a_machine_that_dies_in_a_trial_costs_that_trial_once(photo_folder: Path, tmp_path: Path, storage: str) -> None:
    shared, first, second = (tmp_path / name for name in ("공유 폴더", "기계 1", "기계 2"))
    for folder in (shared, first, second):
        folder.mkdir()
    for machine in (first, second):
        shutil.copytree(photo_folder, machine / "사진")
    shutil.copytree(os.environ["PHOTOGRAFT_CACHE"], second / "cache")
    text = "train.strength: {low: 1e-3, high: 1e2, log: true}\ntrain.balance: [none, balanced]\ngrace: 6\n"
    space = write(first, f'storage: "{storage.format(shared)}"\n{text}')
    options = ["--space", str(space), "--runs-dir", str(shared), "--name", "t", "--set", "input.px=64"]
    dying = start(first, ["tune", "사진", *options, "--set", "quality=fast", "--trials", "5"])
    while not (found := list(shared.glob("*-t-tune/search.json"))):
        assert dying.poll() is None, (first / "log").read_text("utf-8")
        time.sleep(0.1)
    search = open_search(found[0].parent)
    with open_trials(search.folder, search.space, search.plan.sampler, shared=search.shared()) as trials:
        while trials.rows()[0].state != "running":
            assert dying.poll() is None, (first / "log").read_text("utf-8")
            time.sleep(0.02)
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    surviving = start(second, ["tune", "사진", "--resume", str(search.folder.path)])
    assert surviving.wait(timeout=300) == 0, (second / "log").read_text("utf-8")
    log = (second / "log").read_text("utf-8")
    document = json.loads(search.folder.read("tune.json"))
    assert [(trial["number"], trial["state"]) for trial in document["trials"]] == [(i, "complete") for i in range(1, 6)]
    assert log.count("was broken off; it is taken up") == 1 and "Trial 1 was broken off" in log
    assert len({trial["run"] for trial in document["trials"]}) == 5
    assert 5 <= len(list(search.folder.path.glob("*-trial-*"))) <= 6
    assert "-trial-0001-again-" in document["trials"][0]["run"]  # whoever fell silent may be alive in the other folder
    assert document["trials"][0]["base"] and document["winner"]["openings"] == 1
    assert log.count("is the winner") == 1 and len(list(search.folder.path.glob("*-winner*"))) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_run")
def test_two_machines_share_the_trials_and_one_of_them_ends_the_search(photo_folder: Path, tmp_path: Path) -> None:
    shared, machines = tmp_path / "공유 폴더", [tmp_path / "기계 1", tmp_path / "기계 2"]
    for folder in (shared, *machines):
        folder.mkdir()
    for machine in machines:
        shutil.copytree(photo_folder, machine / "사진")
        shutil.copytree(os.environ["PHOTOGRAFT_CACHE"], machine / "cache")
    space = write(shared, "storage: journal\ntrain.strength: [0.01, 0.1, 1.0, 10.0, 100.0, 300.0, 1000.0]\n")
    options = ["--space", str(space), "--runs-dir", str(shared), "--name", "t", "--set", "input.px=64"]
    first = start(machines[0], ["tune", "사진", *options, "--set", "quality=fast", "--sampler", "grid"])
    while not (found := list(shared.glob("*-t-tune/search.json"))):
        assert first.poll() is None, (machines[0] / "log").read_text("utf-8")
        time.sleep(0.1)
    second = start(machines[1], ["tune", "사진", "--resume", str(found[0].parent)])
    assert (first.wait(timeout=300), second.wait(timeout=300)) == (0, 0)
    log = "".join((machine / "log").read_text("utf-8") for machine in machines)
    document = json.loads((found[0].parent / "tune.json").read_text("utf-8"))
    assert [trial["state"] for trial in document["trials"]] == ["complete"] * 8
    assert len({str(trial["values"]) for trial in document["trials"]}) == 8
    assert all(log.count(f"\nTrial {number} of 8: ") == 1 for number in range(1, 9))
    assert log.count("is the winner") == 1 and document["winner"]["openings"] == 1
    assert log.count("This is the number to quote.") == 2  # both tell what came of it
