"""Trials that several machines share: exact in number, none twice, and those of a dead machine run again once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CHECKOUT
from tests.workflow.test_trials import a_record, a_space, begin

from photograft.tracking.run_folder import RunFolder
from photograft.workflow.narrator import Silent
from photograft.workflow.trials import Claimed, Lost, Sampler, SharedStudy, Trials, open_trials

pytest.importorskip("optuna", reason="needs the tune extra")

GRACE_S = 2
DATABASE, JOURNAL = "sqlite:///{}/공유 1.db", "journal"
both = pytest.mark.parametrize("storage", [DATABASE, JOURNAL])


@contextmanager
def machine(
    folder: Path, storage: str, *, new: bool = False, sampler: Sampler = "random", grace: int = GRACE_S
) -> Iterator[Trials]:
    """What one machine has of a search: the folder and the storage."""
    space = replace(a_space(folder), grace=grace)
    shared = SharedStudy(storage.format(folder), "탐색", "digest", new)
    with open_trials(RunFolder(folder), space, sampler, shared=shared) as trials:
        if new:
            begin(trials, n=6)
        yield trials


def run_to_the_end(folder: str, storage: str, n: str) -> None:
    """In a process of its own: run trials until none is left, and print the numbers."""
    with machine(Path(folder), storage) as trials:
        while True:
            with trials.claim(n=int(n)) as claimed:
                if claimed is None:
                    return
                sys.stdout.write(f"{claimed.number}\n")
                time.sleep(0.02)
                trials.complete(claimed, 0.5, run=f"run-{claimed.number}", seconds=0.02)


def hold(folder: str, storage: str, what: str) -> None:
    """In a process of its own: hold a trial, or the end, tell so, and tell the trial's score when asked to."""
    with machine(Path(folder), storage) as trials:
        if what == "end":
            with trials.claims.ending(Silent()):
                sys.stdout.write("held\n")
                sys.stdout.flush()
                sys.stdin.readline()
            return
        with trials.claim(n=9) as claimed:
            assert claimed is not None
            sys.stdout.write(f"{claimed.number} {sorted(claimed.values.items())}\n")
            sys.stdout.flush()
            sys.stdin.readline()
            try:
                trials.complete(claimed, 0.9, run="too late", seconds=1.0)
            except Lost:
                sys.stdout.write("lost\n")


def start(function: str, *arguments: object) -> subprocess.Popen[str]:
    code = f"import sys; from tests.workflow.test_trial_claims import {function}; {function}(*sys.argv[1:])"
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT, text=True)


@pytest.mark.slow
@both
def test_processes_that_race_run_as_many_trials_as_are_asked_for_and_none_twice(tmp_path: Path, storage: str) -> None:
    with machine(tmp_path, storage, new=True):
        pass
    racing = [start("run_to_the_end", tmp_path, storage, 12) for _ in range(3)]
    told = [int(line) for each in racing for line in each.communicate()[0].splitlines()]
    assert [each.returncode for each in racing] == [0, 0, 0]
    assert sorted(told) == list(range(12))
    with machine(tmp_path, storage) as trials:
        assert [(row.number, row.state, row.run) for row in trials.rows()] == [
            (number, "complete", f"run-{number}") for number in range(12)
        ]
        assert not trials.others_at_work()


@pytest.mark.slow
@both
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_living_trial_is_never_taken_and_that_of_a_killed_process_once_with_its_values(
    tmp_path: Path, storage: str
) -> None:
    with machine(tmp_path, storage, new=True) as trials:
        with trials.claim(n=2) as base:
            assert base is not None
            trials.complete(base, 0.5, run="base", seconds=1.0)
        with start("hold", tmp_path, storage, "trial") as process:
            assert process.stdout is not None
            held = process.stdout.readline().strip()
            alive_until = time.monotonic() + 2.5 * GRACE_S
            while time.monotonic() < alive_until:
                assert trials.others_at_work()
                with trials.claim(n=2) as claimed:
                    assert claimed is None
                time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
        taken = []
        while trials.others_at_work() or not taken:
            with trials.claim(n=2) as claimed:
                if claimed is not None:
                    assert claimed.again
                    taken.append(f"{claimed.number} {sorted(claimed.values.items())}")
                    trials.complete(claimed, 0.7, run="again", seconds=1.0)
            time.sleep(0.1)
        assert taken == [held]
        assert [(row.state, row.run) for row in trials.rows()] == [("complete", "base"), ("complete", "again")]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_process_that_slept_too_long_finds_its_trial_lost_and_it_counts_once(tmp_path: Path) -> None:
    with machine(tmp_path, DATABASE, new=True) as trials, start("hold", tmp_path, DATABASE, "trial") as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline().startswith("0 ")
        process.send_signal(signal.SIGSTOP)
        while trials.others_at_work():
            time.sleep(0.3)
        with trials.claim(n=1) as claimed:
            assert claimed is not None and claimed.again
            process.send_signal(signal.SIGCONT)
            assert process.communicate("\n")[0] == "lost\n"
            trials.complete(claimed, 0.3, run="counts", seconds=1.0)
        assert [(row.score, row.run) for row in trials.rows()] == [(0.3, "counts")]


@both
def test_a_trial_that_is_stopped_is_given_back_at_once_with_what_was_observed(tmp_path: Path, storage: str) -> None:
    with machine(tmp_path, storage, new=True) as trials:
        with pytest.raises(KeyboardInterrupt), trials.claim(n=1) as claimed:
            assert claimed is not None
            claimed.observe(a_record(1, 0.25), metric="accuracy")
            raise KeyboardInterrupt
        assert not trials.others_at_work()
        with trials.claim(n=1) as claimed:
            assert claimed is not None and (claimed.number, claimed.again, claimed.is_base) == (0, True, True)
            claimed.observe(a_record(1, 0.75), metric="accuracy")  # it was told before
            trials.fail(claimed, "an unlucky value", seconds=0.1)
        with trials.claim(n=1) as claimed:
            assert claimed is None  # what failed by itself is not run again
        (row,) = trials.rows()
        assert (row.state, row.reason, row.is_base, row.curve) == ("failed", "an unlucky value", True, ((1, 0.25),))


def fall_silent(trials: Trials, claimed: Claimed) -> None:
    """What another machine does with a trial that gave no sign of life for too long."""
    from optuna.trial import TrialState

    trials.study._storage.set_trial_state_values(claimed.trial._trial_id, state=TrialState.FAIL)


@both
def test_a_run_is_gone_on_with_where_its_trial_was_given_back_and_is_another_where_it_fell_silent(
    tmp_path: Path, storage: str
) -> None:
    with machine(tmp_path, storage, new=True) as ours, machine(tmp_path, storage) as theirs:
        with pytest.raises(KeyboardInterrupt), ours.claim(n=1) as claimed:
            assert claimed is not None and claimed.run == "trial-0001"
            raise KeyboardInterrupt
        with ours.claim(n=1) as silent:
            assert silent is not None and (silent.run, silent.again) == ("trial-0001", True)
            fall_silent(theirs, silent)
            with pytest.raises(KeyboardInterrupt), theirs.claim(n=1) as taken:
                assert taken is not None and taken.run.startswith("trial-0001-again-")
                raise KeyboardInterrupt
            with theirs.claim(n=1) as again:
                assert again is not None and again.run == taken.run
                fall_silent(ours, again)
            with theirs.claim(n=1) as last:
                assert last is not None and last.run not in (silent.run, taken.run)
                theirs.complete(last, 0.5, run=last.run, seconds=1.0)
            with pytest.raises(Lost):
                ours.complete(silent, 0.9, run=silent.run, seconds=1.0)
        assert [(row.score, row.run) for row in theirs.rows()] == [(0.5, last.run)]


@both
def test_who_ends_the_search_after_one_who_fell_silent_has_a_name_of_its_own(tmp_path: Path, storage: str) -> None:
    from optuna.trial import TrialState

    with machine(tmp_path, storage, new=True) as ours, machine(tmp_path, storage) as theirs:
        for _ in range(2):
            with ours.claims.ending(Silent()) as suffix:
                assert suffix == ""
        with ours.claims.ending(Silent()):
            end = theirs.claims._end  # type: ignore[attr-defined]
            end._storage.set_trial_state_values(end.trials[-1]._trial_id, state=TrialState.FAIL)
            for _ in range(2):
                with theirs.claims.ending(Silent()) as suffix:
                    assert suffix == "-again-3"


@both
@pytest.mark.parametrize("how", ["complete", "fail", "prune"])
def test_a_trial_that_is_given_away_while_it_is_told_is_lost(
    tmp_path: Path, storage: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machine(tmp_path, storage, new=True) as ours, machine(tmp_path, storage) as theirs:
        with ours.claim(n=1) as claimed:
            assert claimed is not None
            tell = ours.study.tell

            def tell_too_late(*arguments: Any, **options: Any) -> None:
                fall_silent(theirs, claimed)
                tell(*arguments, **options)

            monkeypatch.setattr(ours.study, "tell", tell_too_late)
            with pytest.raises(Lost):
                if how == "complete":
                    ours.complete(claimed, 0.9, run="too late", seconds=1.0)
                elif how == "fail":
                    ours.fail(claimed, "an unlucky value", seconds=1.0)
                else:
                    ours.prune(claimed, seconds=1.0)
        assert theirs.rows()[0].state == "failed"


@pytest.mark.slow
def test_a_lock_that_a_dead_process_left_on_a_journal_costs_no_living_trial(tmp_path: Path) -> None:
    grace_s = 6
    with (
        machine(tmp_path, JOURNAL, new=True, grace=grace_s) as ours,
        machine(tmp_path, JOURNAL, grace=grace_s) as other,
    ):
        with ours.claim(n=1) as claimed:
            assert claimed is not None and other.others_at_work()
            lock = tmp_path / "trials.journal.lock"
            lock.touch()  # its owner died while it wrote
            until = time.monotonic() + 1.5 * grace_s
            while time.monotonic() < until:
                assert other.others_at_work()
                time.sleep(0.3)
            ours.complete(claimed, 0.5, run="x", seconds=1.0)
        assert [row.state for row in other.rows()] == ["complete"]


@both
def test_trials_are_left_until_each_is_over(tmp_path: Path, storage: str) -> None:
    with machine(tmp_path, storage, new=True) as trials:
        with trials.claim(n=2) as claimed:
            assert claimed is not None
            trials.complete(claimed, 0.5, run="x", seconds=1.0)
        assert trials.are_left(2) and not trials.are_left(1)
        with trials.claim(n=2) as claimed:
            assert claimed is not None and trials.are_left(2)
        assert trials.are_left(2)  # it was given back
        with trials.claim(n=2) as claimed:
            assert claimed is not None
            trials.fail(claimed, "an unlucky value", seconds=1.0)
        assert not trials.are_left(2)


@both
def test_a_grid_is_run_once_and_more_trials_do_not_lengthen_it(tmp_path: Path, storage: str) -> None:
    text = "input.px: [64, 96]\nmodel.embedding: [multi, last]\n"
    space, shared = a_space(tmp_path, text), SharedStudy(storage.format(tmp_path), "grid", "digest", new=True)
    done = []
    with open_trials(RunFolder(tmp_path), space, "grid", shared=shared) as trials:
        begin(trials, n=99)
        for _ in range(9):
            with trials.claim(n=99) as claimed:
                if claimed is not None:
                    done.append(str(claimed.values))
                    trials.complete(claimed, 0.5, run="x", seconds=1.0)
        assert not trials.are_left(99)
    assert len(done) == 5 and len(set(done[1:])) == 4


@pytest.mark.slow
@both
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_one_process_at_a_time_ends_the_search_and_another_one_where_it_dies(tmp_path: Path, storage: str) -> None:
    with machine(tmp_path, storage, new=True) as trials:
        with trials.claims.ending(Silent()):
            pass
        with start("hold", tmp_path, storage, "end") as process:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            killed: list[float] = []
            timer = threading.Timer(1.5 * GRACE_S, lambda: (killed.append(time.monotonic()), process.kill()))
            timer.start()
            with trials.claims.ending(Silent()):
                assert killed and time.monotonic() > killed[0]
            timer.join()
