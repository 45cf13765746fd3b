"""`photograft runs mirror` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tracking.run_examples import make_run

from photograft.cli.main import main


def test_runs_are_copied_by_name_and_a_second_time_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    make_run(tmp_path / "runs" / "2026-11-20-장미")
    make_run(tmp_path / "runs" / "2026-11-21-튤립", created="2026-11-21T10:00:00+00:00")
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "mirror", "장미", "튤립", "--tensorboard", "로그 tb"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "runs/2026-11-20-장미: copied to TensorBoard",
        "runs/2026-11-21-튤립: copied to TensorBoard",
    ]
    assert main(["runs", "mirror", "장미", "--tensorboard", "로그 tb"]) == 0
    assert capsys.readouterr().out == "runs/2026-11-20-장미: TensorBoard had it already\n"
    assert len(list((tmp_path / "로그 tb").iterdir())) == 2


def test_mistakes_are_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "runs" / "2026-11-20-장미")
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "mirror", "장미"]) == 2
    assert "Give --mlflow URI, --tensorboard DIR, or both." in capsys.readouterr().err
    assert main(["runs", "mirror", "장미", "--mlflow", "mlflow.db"]) == 2
    assert "mlflow.db is neither a SQLite file" in capsys.readouterr().err
