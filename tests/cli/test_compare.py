"""`runs compare` and `runs diff` as a user meets them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.test_verbs import run_json, run_text

from photograft.workflow.train import TrainedRun

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def runs(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    """Two runs that say the same."""
    for name in ("하나", "둘 two"):
        shutil.copytree(tiny_run.run, tmp_path / "my runs" / f"2026-11-22-{name}")
    return tmp_path / "my runs"


def test_compare_prints_text_or_json_and_writes_a_page(capsys: Capture, runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "비교.html"
    out, err = run_text(capsys, "runs", "compare", "하나", "둘", "--runs-dir", runs, "--html", page, "--language", "ko")
    assert "둘 two and 하나 are not distinguishable (difference 0.0 points, " in out
    assert "All settings are the same." in out
    assert str(page) in err and "photograft 비교" in page.read_text("utf-8")
    document = run_json(capsys, "compare", "runs", "compare", "하나", "둘", "--runs-dir", runs, "--against", "둘 two")
    assert document["reference"] == "둘 two"


def test_diff_prints_text_or_json(capsys: Capture, runs: Path) -> None:
    out, _ = run_text(capsys, "runs", "diff", "하나", "둘 two", "--runs-dir", runs)
    assert out.startswith("Before      하나  accuracy ")
    assert "Nothing changed that a model is made from" in out
    assert run_json(capsys, "diff", "runs", "diff", "하나", "둘", "--runs-dir", runs)["same"] is True


def test_what_cannot_be_compared_has_an_exit_code(capsys: Capture, runs: Path) -> None:
    _, err = run_text(capsys, "runs", "compare", "하나", "--runs-dir", runs, code=2)
    assert err == "photograft: error: give two or more runs to compare.\n"
    _, err = run_text(capsys, "runs", "diff", "하나", runs / "2026-11-22-하나", "--runs-dir", runs, code=2)
    assert "is given twice" in err
    (runs / "2026-11-22-하나" / "predictions.csv").write_text("path\n", encoding="utf-8")
    _, err = run_text(capsys, "runs", "compare", "하나", "둘", "--runs-dir", runs, code=4)
    assert "predictions.csv was changed or is damaged" in err
