"""`photograft config`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from photograft.cli.main import main
from photograft.config import Config, all_settings, load_config


def test_show_prints_a_settings_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("split:\n  folds: 7\n")
    assert main(["config", "show", "--config", str(file), "--set", "report.positive=불량"]) == 0
    out = capsys.readouterr().out
    assert f"  folds: 7  # {file}, line 2\n" in out
    assert "  positive: 불량  # from --set\n" in out
    file.write_text(out, encoding="utf-8")
    assert load_config(file) == load_config(None, ["split.folds=7", "report.positive=불량"])


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--json", "--set", "data.ignore=[임시]"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert Config.model_validate(shown["settings"]).data.ignore == ("임시",)
    named = {each.name for each in all_settings() if ".NAME." not in each.name}
    assert set(shown["origins"]) == {*named, "model.factors", "ensemble.members"}
    assert shown["origins"]["data.ignore"] == "from --set"


def test_explain_one_setting_one_section_and_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", "split.folds"]) == 0
    assert "whole number from 2 to 20" in capsys.readouterr().out
    assert main(["config", "explain", "split"]) == 0
    assert "split.val" in capsys.readouterr().out
    assert main(["config", "explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(all_settings())
    assert main(["config", "explain", "quality", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["choices"] == ["fast", "good", "best"]


def test_factors_and_members_are_shown_as_they_were_given(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["model.factors.나이.augment.flip=none", "ensemble.members.vit={backbone: 'timm:vit'}"]
    assert main(["config", "show", *(part for each in given for part in ("--set", each))]) == 0
    out = capsys.readouterr().out
    assert "  factors:\n    나이:\n      augment:\n        flip: none  # from --set\n  loss: auto  # default\n" in out
    assert main(["config", "show", "--json", *(part for each in given for part in ("--set", each))]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"]["model"]["factors"] == {"나이": {"augment": {"flip": "none"}}}
    assert shown["origins"]["ensemble.members.vit.backbone"] == "from --set"
    assert Config.model_validate(shown["settings"]) == load_config(None, given)


def test_explain_what_holds_factors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", "model.factors.age.graft"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("model.factors.age.graft\n") and "`blocks:N`" in out
    for key in ("model.factors", "ensemble.members"):
        assert main(["config", "explain", key]) == 0
        assert f"{key}.NAME.graft " in capsys.readouterr().out


def test_wrong_settings_are_one_error_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--set", "split.folds=1"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("photograft: error: split.folds: 1 is not possible")
    assert main(["config", "explain", "split.fold"]) == 2
    assert "did you mean `split.folds`?" in capsys.readouterr().err
