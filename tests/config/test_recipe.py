"""Recipes: their heads read strictly, and every installed one with settings that load."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from photograft.config.recipe import Recipe, find_recipes, list_recipes, read_recipe
from photograft.errors import ConfigError

INSTALLED = list_recipes()
HEAD = """\
# photograft recipes run {name} --data flowers/
#
# reproduces: model 1 of the flowers
# data: one folder per class
"""


def write(folder: Path, name: str, more: str = "", body: str = "input:\n  px: 64\n", head: str = HEAD) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(head.format(name=name) + more + body, encoding="utf-8")
    return file


def refusal(folder: Path, name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_recipe(name, folder)
    return str(caught.value)


def test_reads_every_key_of_the_head(tmp_path: Path) -> None:
    write(tmp_path, "꽃-twin")
    write(tmp_path, "꽃-first")
    more = (
        "# source: test accuracy 0.6948,\n#   loss 0.7827\n# verb: train\n# needs: 꽃-first\n"
        "# against: 꽃-first, 꽃-twin\n# sweep: train.lr = 1e-3 | 1e-4\n# twin: 꽃-twin\n"
        "# expected: accuracy 0.71: fine\n# took: 4.1 minutes\n"
    )
    file = write(tmp_path, "꽃-cnn", more)
    assert read_recipe("꽃-cnn", tmp_path) == Recipe(
        name="꽃-cnn",
        system="꽃",
        command="photograft recipes run 꽃-cnn --data flowers/",
        reproduces="model 1 of the flowers",
        source="test accuracy 0.6948, loss 0.7827",
        verb="train",
        data="one folder per class",
        needs="꽃-first",
        against=("꽃-first", "꽃-twin"),
        sweep=("train.lr", ("1e-3", "1e-4")),
        twin="꽃-twin",
        expected="accuracy 0.71: fine",
        took="4.1 minutes",
        text=file.read_text("utf-8"),
        file=file,
    )


def test_settings_are_the_files_with_more_on_top(tmp_path: Path) -> None:
    write(tmp_path, "a-b")
    recipe = read_recipe("a-b", tmp_path)
    assert recipe.config().input.px == 64
    changed = recipe.config(["train.lr=1e-4"], **{"model.backbone": "run:/my runs/첫째"})
    assert (changed.input.px, changed.train.lr, changed.model.backbone) == (64, 1e-4, "run:/my runs/첫째")
    write(tmp_path, "a-wrong", body="input:\n  pix: 64\n  px: 1\n")
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*a-wrong\.yaml, line 6.*a-wrong\.yaml, line 7"):
        read_recipe("a-wrong", tmp_path).config()


def test_system_has_all_its_recipes_with_needed_ones_first(tmp_path: Path) -> None:
    write(tmp_path, "paint-a", "# needs: paint-z\n")
    write(tmp_path, "paint-b")
    write(tmp_path, "paint-z")
    write(tmp_path, "other-a")
    assert [recipe.name for recipe in find_recipes("paint", tmp_path)] == ["paint-z", "paint-a", "paint-b"]
    assert [recipe.name for recipe in find_recipes("paint-a", tmp_path)] == ["paint-a"]
    assert [recipe.name for recipe in list_recipes(tmp_path)] == ["other-a", "paint-a", "paint-b", "paint-z"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("# sourse: 0.7\n", r"line 5: there is no key `sourse`.*did you mean `source`\?"),
        ("# data: again\n", r"line 5: `data` stands in line 4 already"),
        ("# source:\n", r"line 5: `source` has no value"),
        ("# verb: predict\n", r"line 5: `verb` is train or pretrain, not 'predict'"),
        ("#source 0.7\n", r"line 5: '#source 0.7' is no `# key: value`"),
        ("# sweep: train.lr = 1\n", r"line 5: 'train.lr = 1' is no sweep"),
        ("# sweep: 1 | 2\n", r"line 5: '1 | 2' is no sweep"),
        ("# needs: x-none\n", r"line 5: `needs` names 'x-none', and there is no recipe of that name"),
        ("# against: x-own\n", r"line 5: `against` names other recipes of x, not 'x-own'"),
        ("# against: y-other\n", r"line 5: `against` names other recipes of x, not 'y-other'"),
    ],
)
def test_mistake_in_the_head_names_file_and_line(tmp_path: Path, more: str, words: str) -> None:
    write(tmp_path, "y-other")
    write(tmp_path, "x-own", more)
    message = refusal(tmp_path, "x-own")
    assert message.startswith(str(tmp_path / "x-own.yaml"))
    with pytest.raises(ConfigError, match=words):
        read_recipe("x-own", tmp_path)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("", "line 1: the command is missing"),
        ("# my settings\n#\n", "line 1: '# my settings' is not the command"),
        ("# photograft recipes run other --data x\n#\n", "is not the command; write `# photograft recipes run x-own"),
        ("# photograft recipes run x-own --data x\n# data: y\n", "line 2: a line with `#` alone"),
        ("# photograft recipes run x-own --data x\n#\n# data: y\n", "the head has no `reproduces`"),
    ],
)
def test_head_begins_with_the_command(tmp_path: Path, head: str, words: str) -> None:
    write(tmp_path, "x-own", head=head)
    assert words in refusal(tmp_path, "x-own")


def test_unknown_name_says_what_was_meant(tmp_path: Path) -> None:
    write(tmp_path, "flowers-small-cnn")
    assert "did you mean flowers-small-cnn?" in refusal(tmp_path, "flower-cnn")
    with pytest.raises(ConfigError, match=r"did you mean flowers\?"):
        find_recipes("flower", tmp_path)
    assert "'zzz'; the systems are flowers. `photograft recipes list`" in refusal(tmp_path, "zzz")
    assert "'flowers' is a system, not a recipe; name one of flowers-small-cnn." in refusal(tmp_path, "flowers")


def test_recipes_are_part_of_the_package() -> None:
    installed = {file.name for file in files("photograft.recipes").iterdir() if file.name.endswith(".yaml")}
    assert installed == {f"{recipe.name}.yaml" for recipe in INSTALLED}
    assert installed


@pytest.mark.parametrize("recipe", INSTALLED, ids=lambda recipe: recipe.name)
def test_settings_of_an_installed_recipe_load(recipe: Recipe) -> None:
    setting, values = recipe.sweep or ("", ())
    configs = [recipe.config([f"{setting}={value}"]) for value in values] or [recipe.config()]
    assert len({config.model_dump_json() for config in configs}) == len(configs)
    if recipe.needs:
        assert recipe.config().model.backbone == f"run:{recipe.needs}"
