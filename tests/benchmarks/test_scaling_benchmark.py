"""The plan for very many photos: its arithmetic, and the page that shows it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from photograft.data.listing import Found
from photograft.scaling.catalogue import LARGEST, Row, catalogue_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("scale_plan")


def test_the_page_shows_what_is_worked_out_from_the_figures(plan: ModuleType) -> None:
    page = (ROOT / "docs" / "concepts" / "scale.md").read_text("utf-8")
    for table in plan.tables(plan.Figures(), plan.SITES).split("\n\n"):
        assert table in page, "run `python benchmarks/scale_plan.py` and put its tables into the page"


def test_every_figure_is_explained_and_measured(plan: ModuleType) -> None:
    assert [field.name for field in fields(plan.Figures)] == list(plan.SAID)
    assert all(getattr(plan.Figures(), name) > 0 for name in plan.SAID if name != "block_kb")  # too little to see


@pytest.mark.parametrize("photos", [1, 33, 5_000, 140_000])
def test_blocks_are_counted_as_the_catalogue_makes_them(plan: ModuleType, photos: int) -> None:
    rows: Iterator[Row] = (Row("/photos", Found(f"{i}.jpg")) for i in range(photos))
    assert plan.n_blocks(photos) == catalogue_of(rows).n_blocks


def test_twice_the_machines_take_half_the_hours(plan: ModuleType) -> None:
    figures = plan.Figures()
    one, two = (plan.Site(1e7, "small", machines, 32, 10) for machines in (1, 2))
    assert plan.hours(figures, one) == pytest.approx(2 * plan.hours(figures, two))
    seconds = 1e7 * figures.extract_cpu_s / 32 / figures.busy
    assert plan.hours(figures, one) == pytest.approx(seconds / 3600)
    assert plan.n_blocks(1e7) == pytest.approx(1e7 / LARGEST, rel=0.1)


def test_figures_follow_from_what_the_benchmark_writes(plan: ModuleType) -> None:
    fit = {"cpu_s_per_photo": 0.02, "wall_s_per_photo": 0.0125, "work_cpu_s_per_photo": 0.018}
    way = {"fit": fit, "100": {"worker_mb": {"median": 300.0}}, "20": {"worker_mb": {"median": 200.0}}}
    results: dict[str, Any] = {
        "predict": {
            "2 workers": way,
            "plain": {"fit": {"work_cpu_s_per_photo": 0.015}},
            "measured": {"load": [0.1, 2.0]},
        },
        "train": {"2 workers": way},
        "camera": {"fit": {"work_cpu_s_per_photo": 0.115}, "photo_bytes": 4e6},
        "bytes": {
            "photo": 20_000.0,
            "prediction": 100.0,
            "facts": 200.0,
            "features_fp32": 8000.0,
            "features_fp16": 4000.0,
            "numbers": 2128,
            "index": {"rows-000001.jsonl": 400.0, "vectors-000001.npy": 2560.0},
        },
        "costs": {
            "blocks": [
                {"blocks": 100, "cpu_s": 7.0, "command_mb": 200.0},
                {"blocks": 1100, "cpu_s": 17.0, "command_mb": 230.0},
            ],
            "hashes": [{"photos": 1000, "seconds": 2.0, "mb": 1.0}, {"photos": 2000, "seconds": 6.0, "mb": 2.0}],
            "labelled": {"photos": 1000, "mb": 1.0},
            "listing": {"paths": 1000, "catalogue_bytes": 6000, "list_s": 0.01},
        },
    }
    figures = plan.figures_of(results)
    assert figures.busy == pytest.approx(0.8)
    results["predict"]["measured"] = {"load": [9.0, 9.0]}
    assert plan.figures_of(results).busy == 1
    assert figures.camera_cpu_s == pytest.approx(0.1)
    assert (figures.block_ms, figures.block_kb) == pytest.approx((10, 30))
    assert (figures.copies_us, figures.copies_pair_ps) == pytest.approx((1000, 1e6))  # 2 s = 1 + 1, 6 s = 2 + 4
    assert (figures.index_bytes, figures.index_row_bytes, figures.known_bytes) == pytest.approx((2960, 400, 2000))
