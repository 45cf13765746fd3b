"""What the fine-tuning benchmark computes from the numbers of its processes."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def finetune(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("finetune")


@pytest.fixture
def tested(finetune: ModuleType) -> ModuleType:
    return importlib.import_module("tested")


def run(tested: ModuleType, right_of: dict[str, bool]) -> Any:
    groups = {f"{number}.jpg": number for number in range(40)}
    return tested.Tested(Path("run"), right_of, groups, {"accuracy": 0.5}, {}, {}, 1.0, 100.0, 90.0)


def test_pooled_counts_a_photo_in_two_test_parts_once(tested: ModuleType) -> None:
    right = {f"{number}.jpg": number % 4 > 0 for number in range(40)}
    once, twice = tested.pooled([run(tested, right)]), tested.pooled([run(tested, right)] * 2)
    assert (once.accuracy, once.n, twice.accuracy, twice.n) == (0.75, 40, 0.75, 80)
    assert once.high - once.low == pytest.approx(twice.high - twice.low, rel=0.05)


def test_runs_are_compared_by_photo_in_any_order(tested: ModuleType) -> None:
    a = {f"{number}.jpg": True for number in range(20)}
    b = {f"{number}.jpg": number < 15 for number in reversed(range(20))}
    gap = tested.compare([run(tested, a)], [run(tested, b)])
    assert gap.difference == 0.25
    assert 0 < gap.low < 0.25 < gap.high
    with pytest.raises(ValueError, match="other photos"):
        tested.compare([run(tested, a)], [run(tested, {"30.jpg": True})])


@pytest.mark.parametrize(
    ("seconds", "epochs"),
    [((100, 10, 20, 30), 4), ((100, 10, 10, 100), 1), ((15, 10, 20, 30), 1), ((100, 30, 20, 30), None)],
)
def test_epochs_until_keeping_pays(tested: ModuleType, seconds: tuple[float, ...], epochs: int | None) -> None:
    assert tested.epochs_until_it_pays(*seconds) == epochs


def test_epochs_of_a_way_over_rounds(finetune: ModuleType) -> None:
    runs = [
        {"epoch_s": [seconds], "peak_rss_mb": 900.0, "step_s": 1.0, "before_s": before}
        for seconds, before in ((3.0, 60.0), (1.0, None), (2.0, None))
    ]
    summary = finetune.summarise_epochs(runs)
    assert summary["epoch_s"]["median"] == 2.0
    assert summary["before_s"]["runs"] == [60.0]
    assert summary["read_s"] is None


def test_targets_that_were_not_measured_are_open(finetune: ModuleType) -> None:
    assert {each["reached"] for each in finetune.check_targets({"accuracy": {"failed": "so"}}).values()} == {None}
    epochs = {name: {"epoch_s": {"median": s}} for name, s in ((finetune.KEPT, 2.0), (finetune.OFF, 4.0))}
    equal = {"kept - off": {"difference": 0.02, "low": 0.01, "high": 0.03}}
    targets = finetune.check_targets({"speed": {"ways": epochs}, "equal": equal})
    assert targets["off / kept, s per epoch"] == {"limit": ">= 2.5", "found": 2.0, "reached": False}
    assert targets["fastai / kept, s per epoch"]["reached"] is None
    assert targets["|kept - off|, beyond its interval"]["found"] == 0.01
