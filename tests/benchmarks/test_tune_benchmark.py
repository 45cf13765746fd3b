"""What the benchmark of searches computes from a table of runs."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="needs the tune extra")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_sampler_finds_what_the_table_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("tune")
    both = [(a, b) for a in range(8) for b in (True, False)]
    rows = [{"score": a / 8 + b / 100, "values": {"a": a, "b": b}, "base": False} for a, b in both]
    document = {
        "space": [{"name": "a", "choices": [*range(8)]}, {"name": "b", "choices": [True, False]}],
        "trials": [{"score": 0.5, "values": {}, "base": True}, *rows],
    }
    names, table = benchmark.table_of(document)
    assert len(table) == 16 and names["b"] == ["true", "false"]
    for sampler in benchmark.SAMPLERS:
        found = benchmark.replay(sampler, names, table, n_seeds=3)
        assert 0.4 < found[5][0] <= found[40][0] <= max(table.values())
    assert benchmark.replay("grid", names, table, n_seeds=2)[20] == (max(table.values()), 1.0)
