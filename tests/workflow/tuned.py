"""Fine-tuning runs for tests: their settings, their results, and processes that stop them at a chosen moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT

import photograft

# Forks for every case, so that torch is imported once. `events` says what happens before (even) or after (odd numbers)
# the k-th file is moved to its place, counted from 0: a signal, or "full", from when on no larger file can be written.
# A process that stopped itself is there, and killed, while the next case runs.
_FORKS = """
import json, os, resource, signal, sys, time
from pathlib import Path
import timm, torch
torch.set_num_threads(1)
import photograft.models.graft, photograft.training.checkpoint, photograft.workflow.train
from photograft.cli.main import main
from photograft.features import boundary
from tests.workflow import tuned

def run(case, out, err):
    events = {int(k): v for k, v in case["events"].items()}
    replace, count = Path.replace, 0
    def happen(number):
        for event in events.get(number, ()):
            if event == "full":
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
            else:
                os.kill(os.getpid(), event)
    def watched(self, target):
        nonlocal count
        mine = case["only"] in str(target)
        if mine:
            happen(2 * count)
        moved = replace(self, target)
        if mine:
            happen(2 * count + 1)
            count += 1
        return moved
    Path.replace = watched
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    if case["arguments"][0] == "fit":
        tuned.run_fit(Path(case["arguments"][1]))
        return 0, count
    return main(case["arguments"]), count

held = []
for case in json.load(sys.stdin):
    out, err, counted = (os.path.join(sys.argv[1], name) for name in ("out", "err", "count"))
    Path(counted).write_text("0")
    child = os.fork()
    if child == 0:
        code, count = 99, 0
        try:
            code, count = run(case, out, err)
            Path(counted).write_text(str(count))
        finally:
            sys.stdout.flush()
            os._exit(code)
    status = os.waitpid(child, os.WUNTRACED)[1]
    for each in held:
        os.kill(each, signal.SIGKILL)
        os.waitpid(each, 0)
    held = [child] if os.WIFSTOPPED(status) else []
    code = -os.WSTOPSIG(status) if held else os.waitstatus_to_exitcode(status)
    texts = [Path(name).read_text("utf-8", "replace") for name in (out, err, counted)]
    print(json.dumps([code, *texts]), flush=True)
"""


@dataclass(frozen=True)
class Tuning:
    """Photos and weights to fine-tune with."""

    photos: Path
    weights: Path

    def settings(self, *more: str) -> list[str]:
        return [
            "model.backbone=timm:test_resnet",
            f"model.weights={self.weights}",
            "model.graft=last-block",
            "input.px=64",
            "split.test=0.2",
            "augment.views=1",
            "train.epochs=2",
            "train.batch_size=16",
            "train.checkpoint_steps=1",
            "train.precision=fp32",
            "train.channels_last=false",
            *more,
        ]

    def config(self, *more: str) -> photograft.Config:
        return photograft.load_config(None, self.settings(*more), quality="best")

    def command(self, runs: Path, *more: str) -> list[str]:
        options = [each for setting in self.settings(*more) for each in ("--set", setting)]
        return ["train", str(self.photos), "--quality", "best", *options, "--runs-dir", str(runs), "--json"]


@dataclass(frozen=True)
class Case:
    """A command, and what happens to its process while files whose path holds `only` are moved to their place."""

    arguments: Sequence[str]
    events: dict[int, Sequence[int | str]]
    only: str = ""


@dataclass(frozen=True)
class Ended:
    """How a process ended: negative codes are signals. `moved` files were counted, where it came to its end."""

    code: int
    out: str
    err: str
    moved: int


def run_cases(cases: Sequence[Case], scratch: Path) -> list[Ended]:
    """Run every case in a process of its own, one after the other."""
    given = json.dumps([{"arguments": list(c.arguments), "events": c.events, "only": c.only} for c in cases])
    command = [sys.executable, "-W", "ignore", "-c", _FORKS, str(scratch)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, input=given, cwd=CHECKOUT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [Ended(code, out, err, int(moved)) for code, out, err, moved in rows]


def results(run: Path) -> dict[str, Any]:
    """All of a run that must not depend on whether it was stopped."""
    info = json.loads((run / "model" / "bundle.json").read_text("utf-8"))
    records = [json.loads(line) for line in (run / "records.jsonl").read_text("utf-8").splitlines()]
    names = ("network.safetensors", "model/heads/head.safetensors", "predictions.csv", "splits.csv", "config.yaml")
    return {
        **{name: (run / name).read_bytes() for name in names},
        "records": [{key: value for key, value in record.items() if key != "seconds"} for record in records],
        "calibration": info["targets"][0]["calibration"],
        "golden": info["golden"],
        "networks": [network["sha256"] for network in info["networks"]],
        "files": sorted(str(path.relative_to(run)) for path in run.rglob("*")),
    }


def the_run(runs: Path) -> Path:
    """The only run in a folder of runs."""
    (run,) = runs.glob("2*")
    return run


def run_fit(folder: Path) -> None:
    """A fit of nine steps of a tiny network; prints a digest of what came out."""
    import hashlib

    from tests.training.fits import make_task

    from photograft.tracking.run_folder import RunFolder
    from photograft.workflow.fits import FitRunner
    from photograft.workflow.narrator import Silent

    folder.mkdir(exist_ok=True)
    fit = FitRunner(RunFolder(folder), Silent(), 1).complete(make_task())
    digest = hashlib.sha256()
    for name, tensor in sorted(fit.network.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    records = [(r.step, r.train_loss, r.val_loss, r.val_accuracy, r.best) for r in fit.records]
    sys.stdout.write(f"{digest.hexdigest()} {records} {fit.ended}\n")
    sys.stdout.flush()
