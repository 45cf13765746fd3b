"""`train` under a real torchrun: the same run from 1, 2 and 4 processes, killed ones that go on, and refusals."""

from __future__ import annotations

import glob
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import CHECKOUT
from tests.workflow.tuned import Tuning, the_run

from photograft.cli.main import main
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.train import TrainedRun

_TOLERANCE = 1e-4
"""Of losses, relative: sums are taken in another order."""


def torchrun(
    size: int, *arguments: str, module: str = "photograft", temporary: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """How `torchrun` with so many processes ended; temporary files are in the system's folder or the given one."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
    environment |= {} if temporary is None else {"TMPDIR": str(temporary)}
    return subprocess.run(
        [*launcher, "-m", module, *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=240,
    )


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What photograft said of its errors, without torchrun's own words."""
    return [line for line in done.stderr.splitlines() if line.startswith("photograft: ")]


def records(run: Path) -> list[dict[str, Any]]:
    """The evaluations of all fits, without what they took."""
    rows = [json.loads(line) for line in (run / "records.jsonl").read_text("utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows if "fit" in row]


def check_same(run: Path, plain: Path) -> None:
    """Records within the tolerance, predictions the same, nothing missing and nothing left behind."""
    ours, theirs = records(run), records(plain)
    assert [row["fit"] for row in ours] == [row["fit"] for row in theirs] and ours
    for own, their in zip(ours, theirs, strict=True):
        for key in ("train_loss", "val_loss", "lr"):
            left, right = own.pop(key), their.pop(key)
            assert left is right is None or np.isclose(left, right, rtol=_TOLERANCE, atol=0), (own, key)
        assert own == their  # epoch, step, accuracy, and which one is best
    names = [sorted(str(path.relative_to(each)) for path in each.rglob("*")) for each in (run, plain)]
    assert names[0] == names[1]
    predicted = [(each / "predictions.csv").read_text("utf-8").splitlines() for each in (run, plain)]
    assert [line.split(",")[:4] for line in predicted[0]] == [line.split(",")[:4] for line in predicted[1]]
    RunFolder(run).check()


pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_several_processes_make_the_run_of_one(tuning: Tuning, unbroken: TrainedRun, tmp_path: Path, size: int) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = torchrun(size, *tuning.command(tmp_path / "내 runs"), temporary=temporary)
    assert done.returncode == 0, done.stderr
    run = the_run(tmp_path / "내 runs")
    assert json.loads(done.stdout)["run"] == str(run)  # one of them prints, and nothing else
    assert done.stderr.count("Fine-tuning (train): epoch 1,") == 1
    check_same(run, unbroken.run)
    assert not list(temporary.glob("photograft-*"))


@pytest.fixture(scope="module")
def killed(
    tuning: Tuning, unbroken: TrainedRun, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], tuple[subprocess.CompletedProcess[str], Path]]:
    """A function that gives how a job of two ended of which this process was killed in the first fit, and its run."""
    found = {}
    for rank in (0, 1):
        runs = tmp_path_factory.mktemp("killed") / "runs"
        pattern = f"{glob.escape(str(runs))}/*/checkpoints/train/step-00000002.safetensors"
        done = torchrun(2, str(rank), pattern, *tuning.command(runs), module="tests.workflow.killed_rank")
        found[rank] = (done, the_run(runs))
    return lambda rank: found[rank]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_job_with_a_clear_message(
    killed: Callable[[int], tuple[subprocess.CompletedProcess[str], Path]], rank: int
) -> None:
    done, run = killed(rank)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = said(done)
    assert line.startswith("photograft: error: Another process of this job has ended without a word (killed, ")
    assert line.endswith(f" Then go on with: photograft train --resume {shlex.quote(str(run))}")
    assert "Signal 9 (SIGKILL) received by PID" in done.stderr and f"rank      : {rank} (" in done.stderr
    assert (run / "started.json").is_file() and list((run / "checkpoints" / "train").glob("step-*.safetensors"))
    assert not _processes_of(run.parent)


@pytest.mark.parametrize(("rank", "size"), [(1, 2), (0, 4), (1, 0)])
def test_a_killed_job_goes_on_with_any_number_of_processes(
    killed: Callable[[int], tuple[subprocess.CompletedProcess[str], Path]],
    unbroken: TrainedRun,
    tmp_path: Path,
    rank: int,
    size: int,
) -> None:
    run = Path(shutil.copytree(killed(rank)[1], tmp_path / "runs" / unbroken.run.name))
    if size:
        done = torchrun(size, "train", "--resume", str(run), "--json")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("Fine-tuning (train): going on at step ") == 1
    else:
        assert main(["train", "--resume", str(run)]) == 0
    check_same(run, unbroken.run)


def test_a_sigterm_that_comes_twice_lets_all_save_the_same_step(
    tuning: Tuning, unbroken: TrainedRun, tmp_path: Path
) -> None:
    command = tuning.command(tmp_path / "runs", "train.checkpoint_steps=1000")  # none is due before it
    done = torchrun(2, *command, module="tests.workflow.signalled_ranks")
    run = the_run(tmp_path / "runs")
    assert (done.returncode, said(done)) == (1, ["photograft: stopped"])
    assert done.stderr.count("exitcode  : 143 (") == 2 and "Signal 15" not in done.stderr
    assert done.stderr.count(f"Go on with: photograft train --resume {shlex.quote(str(run))}") == 1
    assert (run / "checkpoints" / "train" / "step-00000002.safetensors").is_file()
    again = torchrun(2, "train", "--resume", str(run), "--json")
    assert again.returncode == 0, again.stderr
    assert "Fine-tuning (train): going on at step 2 of " in again.stderr
    check_same(run, unbroken.run)


def test_folds_a_found_rate_members_and_a_model_on_all_photos_are_trained_together(
    tuning: Tuning, tmp_path: Path
) -> None:
    more = ["split.folds=2", "train.lr=find", "train.on_all=true", "train.time_limit=30", "train.accumulate=2"]
    more += ["ensemble.members.other.graft=head", "augment.mixup=0.2"]
    found = []
    for size in (0, 2):
        command = tuning.command(tmp_path / str(size), "split.test=0", "split.val=0", *more)
        if size == 0:
            assert main(command) == 0
        else:
            done = torchrun(size, *command)
            assert done.returncode == 0, done.stderr
        found.append(the_run(tmp_path / str(size)))
    check_same(found[1], found[0])


@pytest.mark.parametrize(
    ("arguments", "code", "start"),
    [
        (["train", "없는 폴더", "--set", "model.graft=blocks:2"], 3, "없는 폴더 does not exist"),
        (["train", "PHOTOS", "--set", "input.px=64"], 2, "2 processes share fine-tuning, and at graft point head"),
        (["check", "PHOTOS"], 2, "2 processes were started together, which is for fine-tuning"),
    ],
)
def test_mistakes_and_what_is_not_shared_are_refused_once(
    tuning: Tuning, tmp_path: Path, arguments: Sequence[str], code: int, start: str
) -> None:
    given = [str(tuning.photos) if each == "PHOTOS" else each for each in arguments]
    runs = ["--runs-dir", str(tmp_path / "runs")] if arguments[0] == "train" else []
    done = torchrun(2, *given, *runs)
    assert done.returncode == 1 and f"exitcode  : {code} (" in done.stderr  # torchrun has a code of its own
    (line,) = said(done)
    assert line.startswith(f"photograft: error: {start}")
    assert not (tmp_path / "runs").exists()


def _processes_of(folder: Path) -> list[str]:
    """Commands of processes that name a folder, as far as the system tells."""
    commands = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return [command for command in commands if str(folder) in command]
