"""`photograft heads` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_verbs import Capture, run_json, run_text

import photograft
from photograft.workflow.train import TrainedRun


def test_export_add_and_list(
    capsys: Capture, tiny_run: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pack = run_json(capsys, "pack", "heads", "export", tiny_run.run)
    assert Path(pack["pack"]).stat().st_size == pack["bytes"] and pack["name"] == tiny_run.run.name
    out, err = run_text(capsys, "heads", "export", tiny_run.run, "--to", "작은.heads.safetensors")
    assert out.startswith("작은.heads.safetensors: ") and out.endswith(" kB\n")
    assert ("--without-unfamiliar leaves" in err) == (pack["bytes"] > 200_000)
    small = run_json(
        capsys, "pack", "heads", "export", tiny_run.run, "--to", "작은.heads.safetensors", "--without-unfamiliar"
    )
    assert small["bytes"] < 200_000 and small["unfamiliar_bytes"] == 0 < pack["unfamiliar_bytes"]

    out, _ = run_text(capsys, "heads", "add", tiny_run.run, "작은.heads.safetensors", "--to", "모델 하나")
    assert out.startswith("모델 하나: 3 classes; 2 golden pictures agree (largest difference ")
    added = run_json(capsys, "added_head", "heads", "add", tiny_run.run, pack["pack"], "--to", "모델 둘")
    assert added["golden"]["n"] == 2 and photograft.verify("모델 둘").ok

    listed = run_json(capsys, "heads", "heads", "list", ".", tiny_run.run)
    (group,) = listed["groups"]
    assert group["one_pass"] and len(group["heads"]) == 5 and listed["problems"] == []
    assert {head["tested"]["n"] for head in group["heads"]} == {60}
    out, _ = run_text(capsys, "heads", "list")
    assert out.startswith("efficientnet-lite0: 64 px, whole, 2,128 numbers; network ")
    assert "4 heads, one pass serves them all" in out
    assert "작은" in out and "모델 둘" in out and "60 photos" in out


def test_list_says_what_cannot_be_read_and_where_nothing_is(capsys: Capture, tmp_path: Path) -> None:
    out, err = run_text(capsys, "heads", "list", tmp_path)
    assert out == "" and "`photograft heads export RUN` writes a pack" in err
    (tmp_path / "bundle.json").write_text("{")
    _, err = run_text(capsys, "heads", "list", tmp_path)
    assert "problem: " in err and "is not JSON" in err


def test_mistakes_are_one_line_with_their_exit_code(capsys: Capture, tiny_run: TrainedRun, tmp_path: Path) -> None:
    _, err = run_text(capsys, "heads", "add", tiny_run.run, tmp_path / "nothing", "--to", tmp_path / "x", code=4)
    assert err.count("\n") == 1 and "does not exist" in err
    _, err = run_text(capsys, "heads", "add", tiny_run.run, tmp_path / "nothing", code=2)
    assert "--to" in err
    _, err = run_text(capsys, "heads", "list", tmp_path / "nothing", code=2)
    assert "does not exist" in err
