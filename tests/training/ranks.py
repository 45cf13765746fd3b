"""Fits in several processes at once, without a launcher: `python -m tests.training.ranks FILE` with cases as JSON.

Processes are forked after torch was imported, which takes longer than all fits. Each case has a number of processes,
and each of these appends what it found to FILE as a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT


@dataclass(frozen=True)
class Case:
    """A fit, by settings and augmentation, in `size` processes; `event` happens in the last one behind a step.

    `resumed` is another number of processes, which go on from step 4. A `note` of so many bytes is handed over instead
    of a fit.
    """

    size: int
    settings: dict[str, Any]
    augment: dict[str, Any]
    event: str = ""
    resumed: int = 0
    inputs: str = "DrawnInputs"
    note: int = 0


def run(cases: dict[str, Case], scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """What every process of every case found, by rank."""
    file = scratch / "found.jsonl"
    given = json.dumps({name: vars(case) for name, case in cases.items()})
    command = [sys.executable, "-W", "ignore", "-m", "tests.training.ranks", str(file)]
    done = subprocess.run(
        command, input=given, cwd=CHECKOUT, capture_output=True, encoding="utf-8", check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        found[row["case"]].append(row)
    return {name: sorted(rows, key=lambda row: int(row["rank"])) for name, rows in found.items()}


def _main(file: Path) -> None:
    import torch
    import torch._dynamo  # which DistributedDataParallel loads

    torch.set_num_threads(1)
    for name, given in json.load(sys.stdin).items():
        case = Case(**given)
        state = file.with_name(f"{name}.state")
        _together(case.size, lambda case=case, name=name, state=state: _fit(case, name, state))
        if case.resumed:
            _together(case.resumed, lambda case=case, name=name, state=state: _fit(case, name, state))


def _together(size: int, work: Any) -> None:
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # as torchrun keeps it
    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
            os.environ.update({key: str(value) for key, value in environment.items()})
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(store.port), GROUP_RANK="0")
            os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
            try:
                work()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _fit(case: Case, name: str, state: Path) -> None:
    from photograft.training import distributed
    from photograft.training.ranks import is_said, joined

    if case.event == "other release" and os.environ["RANK"] == str(case.size - 1):
        distributed.__version__ = "another"  # in this process alone
    found: dict[str, Any] = {"case": name, "rank": os.environ["RANK"]}
    began = time.monotonic()
    try:
        with joined() as ranks:
            found |= _hand_over(case, ranks) if case.note else _train(case, ranks, state)
    except BaseException as error:
        code = getattr(error, "exit_code", None)
        found |= {"error": type(error).__name__, "message": str(error), "said": is_said(error), "code": code}
    found["seconds"] = time.monotonic() - began
    if "stop" not in found:
        with (state.parent / "found.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(found) + "\n")


def _hand_over(case: Case, ranks: Any) -> dict[str, Any]:
    import hashlib

    def write() -> str:
        return "".join(f"사진 {number}\n" for number in range(case.note // 20))

    note = ranks.from_leader(write if ranks.leads else dict)
    return {"digest": hashlib.sha256(note.encode("utf-8")).hexdigest(), "bytes": len(json.dumps(note))}


def _train(case: Case, ranks: Any, state: Path) -> dict[str, Any]:
    import hashlib

    from tests.training import fits

    from photograft.config.augment import AugmentConfig
    from photograft.training.checkpoint import load_checkpoint, save_checkpoint
    from photograft.training.loop import Fit, Step

    settings = {"batchnorm": "frozen", **case.settings}
    inputs = getattr(fits, case.inputs)()
    network = fits.make_network(
        batchnorm=False, dropout=0.0, n_outputs=sum(target.n_outputs for target in inputs.targets), seed=ranks.rank
    )
    if case.event == "other photos" and ranks.rank == ranks.size - 1:
        inputs.label_N = inputs.label_N[::-1].copy()
    deadline = time.monotonic() + (0 if ranks.leads else 9e9) if case.event == "late" else None
    task = fits.make_task(
        network=network,
        inputs=inputs,
        settings=settings,
        augment=AugmentConfig(**case.augment),
        ranks=ranks,
        deadline=deadline,
    )
    fit = Fit(task)
    saved = ranks.checkpoint(lambda: load_checkpoint(state))
    if saved is not None:
        fit.load_state(saved.tensors, saved.info)
    for event in fit.run():
        if not isinstance(event, Step) or event.step != 4 or ranks.rank != (0 if case.resumed else ranks.size - 1):
            if case.resumed and isinstance(event, Step) and event.step == 4:
                return {"stop": True}
            continue
        if case.resumed:
            save_checkpoint(state, *fit.state(), step=4)
            return {"stop": True}
        if case.event == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if case.event == "failed":
            raise MemoryError("no more room")
    digest = hashlib.sha256()
    for _, tensor in sorted(fit.network.state_dict().items()):
        digest.update(tensor.numpy().tobytes())
    rows = [[r.step, r.train_loss, r.val_loss, r.val_accuracy, r.best, r.lr] for r in fit.records]
    weights = [float(tensor.double().sum()) for _, tensor in sorted(fit.network.state_dict().items())]
    return {"records": rows, "weights": weights, "digest": digest.hexdigest(), "ended": fit.ended}


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
