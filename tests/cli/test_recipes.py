"""`photograft recipes`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from photograft.cli.main import main
from photograft.config.recipe import list_recipes, read_recipe

HEAD = """\
# photograft recipes run {name} --data x
#
# reproduces: {name}
# data: photos
quality: fast
input: {{px: 64}}
"""


def test_list_names_every_recipe_and_says_where_weights_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "list"]) == 0
    out = capsys.readouterr().out
    for recipe in list_recipes():
        assert f"  {recipe.name} " in out
    assert main(["recipes", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {recipe.name for recipe in list_recipes()}
    assert rows["flowers-small-cnn"]["weights"] == "none"
    assert rows["flowers-small-cnn"]["system"] == "flowers"


def test_show_and_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = read_recipe("flowers-small-cnn").text
    assert main(["recipes", "show", "flowers-small-cnn"]) == 0
    assert capsys.readouterr().out == text
    assert main(["recipes", "copy", "flowers-small-cnn", str(tmp_path / "내 것.yaml")]) == 0
    assert (tmp_path / "내 것.yaml").read_text("utf-8") == text
    assert main(["recipes", "copy", "flowers-small-cnn", str(tmp_path / "내 것.yaml")]) == 2
    assert main(["recipes", "show", "flowers-small-cn"]) == 2
    assert "did you mean flowers-small-cnn" in capsys.readouterr().err


def test_run_ends_with_6_where_some_variants_failed(
    photo_folder: Path,
    tiny_config: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    monkeypatch.setattr("photograft.config.recipe.files", lambda _: recipes)
    (recipes / "tiny-a.yaml").write_text(HEAD.format(name="tiny-a"), encoding="utf-8")
    (recipes / "tiny-b.yaml").write_text(HEAD.format(name="tiny-b") + "data: {classes: [rose, x]}\n", encoding="utf-8")
    command = ["recipes", "run", "tiny", "--data", str(photo_folder), "--runs-dir", str(tmp_path / "my runs")]
    assert main([*command, "--json"]) == 6
    done = json.loads(capsys.readouterr().out)
    assert [bool(row["error"]) for row in done["variants"]] == [False, True]
    assert main([*command, "--into", done["folder"], "--only", "tiny-a"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("variant ")
    assert out.splitlines()[2].startswith("tiny-a ")
    shutil.rmtree(done["folder"])
    assert main([*command, "--only", "tiny-b"]) == 2
    assert "data.classes names 'rose'" in capsys.readouterr().err


@pytest.mark.parametrize("group", ["recipes", "backbones", "config"])
def test_a_group_without_its_verb_says_where_the_verbs_are(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group]) == 2
    said = capsys.readouterr().err
    assert said == f"photograft: error: Missing command. Try `photograft {group} --help`.\n"
