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

import pytest
from tests.conftest import CHECKOUT
from tests.workflow.test_trials import a_record, a_space, begin

from photograft.tracking.run_folder import RunFolder
from photograft.workflow.narrator import Silent
from photograft.workflow.trials import Lost, Sampler, SharedStudy, Trials, open_trials

pytest.importorskip("optuna", reason="needs the tune extra")

GRACE_S = 2
DATABASE, JOURNAL = "sqlite:///{}/공유 1.db", "journal"
both = pytest.mark.parametrize("storage", [DATABASE, JOURNAL])


@contextmanager
def machine(folder: Path, storage: str, *, new: bool = False, sampler: Sampler = "random") -> Iterator[Trials]:
    """What one machine has of a search: the folder and the storage."""
    space = replace(a_space(folder), grace=GRACE_S)
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
