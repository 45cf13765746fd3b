"""What the benchmark of the source systems writes into the heads of recipes."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from photograft.config.recipe import list_recipes, read_recipe

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def source_systems(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("source_systems")


def measured(name: str, *variants: str) -> dict[str, Any]:
    scores = {"what": "test", "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6, "n": 80, "photos": 400}
    rows = [{"variant": f"{name}{each}", "error": None, **scores} for each in variants]
    machine = {"cores": 2, "cpu": "AMD EPYC"}
    return {"variants": rows, "minutes": 1.23, "peak_rss_mb": 1500.0, "machine": machine}


def test_what_was_measured_stands_once_in_the_head(source_systems: ModuleType, tmp_path: Path) -> None:
    for recipe in list_recipes():
        shutil.copy2(recipe.file, tmp_path)
    before = read_recipe("flowers-small-cnn", tmp_path)
    for _ in range(2):
        written = read_recipe("flowers-small-cnn", tmp_path)
        source_systems.write_head(written, measured("flowers-small-cnn", " lr=1e-3", " lr=1e-4"))
    after = read_recipe("flowers-small-cnn", tmp_path)
    accuracy = "accuracy 0.500 (0.400 to 0.600) on 80 test photos"
    assert after.expected == f"lr=1e-3: {accuracy}; lr=1e-4: {accuracy}; 400 photos in all"
    assert after.took == "1.2 minutes and 1.5 GB on 2 cores (AMD EPYC), all values together"
    assert after.config() == before.config()
    assert (after.source, after.sweep, after.against) == (before.source, before.sweep, before.against)
    source_systems.write_head(read_recipe("dogs-small-cnn", tmp_path), measured("dogs-small-cnn", ""))
    assert read_recipe("dogs-small-cnn", tmp_path).expected == f"{accuracy}; 400 photos in all"
