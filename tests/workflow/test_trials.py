"""Trials in their database: asked, told, broken off and taken up, by one process or by several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import CHECKOUT

from photograft.config import load_config
from photograft.config.space import Space, read_space, value_of
from photograft.tracking.run_folder import RunFolder
from photograft.values import Record
from photograft.workflow.trials import Pruned, Sampler, Trials, open_trials

pytest.importorskip("optuna", reason="needs the tune extra")

TEXT = """
train.strength: {low: 1e-3, high: 1e3, log: true}
model.embedding: [multi, last]
input.px: {low: 64, high: 128, step: 32}
"""


def a_space(folder: Path, text: str = TEXT) -> Space:
    (folder / "space.yaml").write_text(text, encoding="utf-8")
    return read_space(folder / "space.yaml", load_config())


@contextmanager
def trials_in(folder: Path, text: str = TEXT, *, sampler: Sampler = "random") -> Iterator[Trials]:
    folder.mkdir(exist_ok=True)
    with open_trials(RunFolder(folder), a_space(folder, text), sampler) as trials:
        yield trials


def begin(trials: Trials, *, n: int = 5) -> None:
    base = load_config()
    trials.begin({each.name: value_of(base, each.name) for each in trials.space.settings}, n=n)


def run_all(trials: Trials, *, n: int) -> list[dict[str, object]]:
    done = []
    while True:
        with trials.claim(n=n) as claimed:
            if claimed is None:
                return done
            done.append(claimed.values)
            trials.complete(claimed, 0.5 + claimed.number / 100, run=f"run-{claimed.number}", seconds=1.0)


def a_record(epoch: float, accuracy: float | None, *, fit: str = "train") -> Record:
    loss = None if accuracy is None else 1 - accuracy
    return Record(fit, epoch, int(epoch), 1e-3, 0.5, loss, accuracy, 1.0, False)


def test_the_first_has_the_base_settings_and_the_rest_lies_in_the_space(tmp_path: Path) -> None:
    with trials_in(tmp_path / "한 탐색 %d?#{x}") as trials:  # what has a meaning in addresses
        begin(trials)
        done = run_all(trials, n=5)
        rows = trials.rows()
    assert done[0] == {"model.embedding": "multi"}  # of the others the base is `auto`
    assert [row.is_base for row in rows] == [True, False, False, False, False]
    assert [row.state for row in rows] == ["complete"] * 5
    assert all(1e-3 <= float(row.values["train.strength"]) <= 1e3 for row in rows[1:])
    assert {row.values["input.px"] for row in rows[1:]} <= {64, 96, 128}
    assert [row.run for row in rows] == [f"run-{number}" for number in range(5)]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_same_seed_gives_the_same_trials_however_often_the_process_begins_anew(
    tmp_path: Path, sampler: Sampler
) -> None:
    with trials_in(tmp_path / "whole", sampler=sampler) as trials:
        begin(trials)
        whole = run_all(trials, n=4)
    parts = []
    for n in (1, 3, 4):
        with trials_in(tmp_path / "parts", sampler=sampler) as trials:
            if n == 1:
                begin(trials)
            parts += run_all(trials, n=n)
    assert parts == whole


def test_a_grid_comes_to_an_end_and_takes_each_combination_once(tmp_path: Path) -> None:
    text = "input.px: [64, 96]\nmodel.embedding: [multi, last]\n"
    with trials_in(tmp_path, text, sampler="grid") as trials:
        begin(trials, n=99)
        done = run_all(trials, n=99)
    assert len(done) == 5
    assert len({str(values) for values in done[1:]}) == 4


def test_a_trial_that_others_are_at_is_left_alone_and_one_that_was_broken_off_is_taken_up(tmp_path: Path) -> None:
    with trials_in(tmp_path) as trials, trials_in(tmp_path) as others:
        begin(trials, n=2)
        with trials.claim(n=2) as first:
            assert first is not None and others.others_at_work()
            with others.claim(n=2) as second:
                assert second is not None and second.number == 1
                with others.claim(n=2) as third:
                    assert third is None
                values = second.values  # the process ends here without a word
        assert not others.others_at_work()
        with others.claim(n=2) as again:  # the first was not told either
            assert again is not None and (again.number, again.again) == (0, True)
            others.fail(again, "an unlucky value", seconds=0.1)
        with trials.claim(n=2) as again:
            assert again is not None and (again.number, again.values) == (1, values)
            trials.complete(again, 0.5, run="x", seconds=1.0)
        assert run_all(trials, n=2) == []
        assert [(row.state, row.reason) for row in trials.rows()] == [("failed", "an unlucky value"), ("complete", "")]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_the_lock_of_a_killed_process_frees_itself(tmp_path: Path) -> None:
    with trials_in(tmp_path) as trials:
        begin(trials)
    code = (
        "import sys, time; from pathlib import Path; from tests.workflow.test_trials import trials_in\n"
        "with trials_in(Path(sys.argv[1])) as trials, trials.claim(n=5) as claimed:\n"
        "    print(claimed.number, flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CHECKOUT) as process:
        assert process.stdout is not None and process.stdout.readline() == b"0\n"
        with trials_in(tmp_path) as trials:
            assert trials.others_at_work()
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert not trials.others_at_work()
            assert len(run_all(trials, n=5)) == 5
            assert [row.state for row in trials.rows()] == ["complete"] * 5


def test_trials_that_are_behind_at_an_epoch_are_given_up_but_never_the_base(tmp_path: Path) -> None:
    with trials_in(tmp_path) as trials:
        begin(trials)
        for accuracy in (0.1, 0.8, 0.8, 0.8):
            with trials.claim(n=9) as claimed:
                assert claimed is not None
                for epoch in (1, 2, 3):
                    claimed.observe(a_record(epoch, accuracy), metric="accuracy")
                trials.complete(claimed, accuracy, run="x", seconds=1.0)
        with trials.claim(n=9) as claimed:
            assert claimed is not None
            claimed.observe(a_record(1, 0.2), metric="accuracy")  # nobody is given up so early
            claimed.observe(a_record(1.5, 0.0), metric="accuracy")
            claimed.observe(a_record(2, None), metric="accuracy")
            claimed.observe(a_record(2, 0.0, fit="fold 2"), metric="accuracy")
            with pytest.raises(Pruned):
                claimed.observe(a_record(2, 0.2), metric="accuracy")
            trials.prune(claimed, seconds=1.0)
        assert (trials.rows()[4].state, trials.rows()[4].curve) == ("pruned", ((1, 0.2), (2, 0.2)))
        assert trials.rows()[4].score is None


def test_an_epoch_that_was_told_before_the_process_was_stopped_counts_once(tmp_path: Path) -> None:
    with trials_in(tmp_path, "metric: log_loss\n" + TEXT) as trials:
        begin(trials)
        with trials.claim(n=1) as claimed:
            assert claimed is not None
            claimed.observe(a_record(1, 0.75), metric="log_loss")
        with trials.claim(n=1) as claimed:
            assert claimed is not None and claimed.again
            for accuracy in (0.1, 0.9):
                claimed.observe(a_record(1, accuracy), metric="log_loss")
        assert trials.rows()[0].curve == ((1, 0.25),)


def test_importance_is_told_of_what_decides_and_not_of_few_trials(tmp_path: Path) -> None:
    with trials_in(tmp_path) as trials:
        begin(trials)
        while True:
            with trials.claim(n=21) as claimed:
                if claimed is None:
                    break
                if claimed.number == 5:
                    assert trials.importance() == {}
                trials.complete(claimed, float(claimed.values.get("input.px", 64)) / 128, run="x", seconds=1.0)
        found = trials.importance()
    assert next(iter(found)) == "input.px" and sum(found.values()) == pytest.approx(1.0)
