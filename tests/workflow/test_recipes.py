"""Recipes run as a study: one split, one folder, every variant told, whatever becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import photograft
from photograft.data.csv_text import read_table
from photograft.errors import ConfigError, DataError
from photograft.schemas import load_schema
from photograft.workflow.recipes import Study, copy_recipe, recipe_rows, run_recipe
from photograft.workflow.variants import compared_pairs, find_variants, split_config, with_weights_here

TINY = "quality: fast\ninput:\n  px: 64\n"


class Listener:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, text: str) -> None:
        self.told.append(text)

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Any]:
        yield self

    def advance(self, n: int = 1) -> None:
        pass


def write(folder: Path, name: str, head: str = "", body: str = "") -> None:
    text = f"# photograft recipes run {name} --data x\n#\n# reproduces: {name}, 작은 것\n# data: photos\n"
    text += f"{head}{TINY}{body}"
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    write(folder, "tiny-linear", "# expected: accuracy 0.9\n")
    write(folder, "tiny-strength", "# sweep: train.strength = 0.01 | 100\n# against: tiny-linear\n")
    write(folder, "tiny-folds", "# against: tiny-linear\n", "split: {folds: 3}\n")
    write(folder, "tiny-two", "# against: tiny-linear\n", "data: {top_classes: 2}\n")
    write(folder, "tiny-broken", "# needs: tiny-gone\n", "model: {backbone: 'run:tiny-gone'}\n")
    write(folder, "tiny-gone", body="data: {classes: [rose, tulip]}\n")
    return folder


@pytest.fixture(scope="module")
def study(photo_folder: Path, tiny_config: object, recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return run_recipe("tiny", photo_folder, runs_dir=tmp_path_factory.mktemp("내 runs"), folder=recipes)


def rows(study: Study) -> dict[str, dict[str, Any]]:
    return {row["variant"]: row for row in study.document["variants"]}


def test_every_variant_has_a_row_and_a_run_or_an_error(study: Study) -> None:
    found = rows(study)
    assert list(found) == [
        "tiny-gone", "tiny-broken", "tiny-folds", "tiny-linear", "tiny-strength strength=0.01",
        "tiny-strength strength=100", "tiny-two",
    ]  # fmt: skip
    assert set(study.failed) == {"tiny-gone", "tiny-broken"}
    assert "rose" in found["tiny-gone"]["error"]
    assert found["tiny-broken"]["error"] == "it needs the run of tiny-gone, which failed"
    for row in study.document["variants"]:
        if not row["error"]:
            assert (study.folder / row["run"] / "report.html").is_file()
            assert 0 < row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
    assert found["tiny-linear"]["n"] == 60
    assert found["tiny-two"]["n"] == 40


def test_variants_share_the_split_but_for_those_with_one_of_their_own(study: Study) -> None:
    def folds(name: str) -> dict[str, str]:
        table = read_table((study.folder / rows(study)[name]["run"] / "splits.csv").read_bytes())
        return {row["path"]: row["fold"] for row in table}

    drawn = {row["path"]: row["fold"] for row in read_table((study.folder / "splits.csv").read_bytes())}
    assert folds("tiny-linear") == folds("tiny-strength strength=100") == drawn
    assert folds("tiny-two").items() <= drawn.items()
    assert set(folds("tiny-folds").values()) == {"0", "1", "2"}


def test_variants_are_compared_on_the_photos_that_both_judged(study: Study) -> None:
    found = {(row["a"], row["b"]): row for row in study.document["comparisons"]}
    assert list(found) == [
        ("tiny-folds", "tiny-linear"),
        ("tiny-strength strength=0.01", "tiny-linear"),
        ("tiny-strength strength=100", "tiny-strength strength=0.01"),
        ("tiny-strength strength=100", "tiny-linear"),
        ("tiny-two", "tiny-linear"),
    ]
    assert found["tiny-folds", "tiny-linear"]["n"] == 60
    two = found["tiny-two", "tiny-linear"]
    assert (two["n"], two["same_classes"]) == (40, False)
    assert two["accuracy_a"] == pytest.approx(rows(study)["tiny-two"]["accuracy"])


def test_study_is_written_and_printed_as_its_schema_says(study: Study) -> None:
    assert json.loads((study.folder / "study.json").read_text("utf-8")) == study.document
    assert list(Draft202012Validator(load_schema("recipes")).iter_errors(study.to_json())) == []
    page = (study.folder / "study.html").read_text("utf-8")
    assert "tiny-linear, 작은 것" in page
    assert "나의 사진" in page
    assert any(line.startswith("tiny-gone failed: ") for line in study.lines())


def test_study_is_taken_up_where_it_was_left(study: Study, photo_folder: Path, recipes: Path) -> None:
    listener = Listener()
    again = run_recipe(
        "tiny", photo_folder, into=study.folder, only=["tiny-strength"], folder=recipes, narrator=listener
    )
    assert sum(text.startswith("Finished before: ") for text in listener.told) == 2
    assert [row["run"] for row in again.document["variants"]] == [
        rows(study)[name]["run"] for name in ("tiny-strength strength=0.01", "tiny-strength strength=100")
    ]
    with pytest.raises(ConfigError, match="divided by other settings"):
        run_recipe("tiny-folds", photo_folder, into=study.folder, folder=recipes)
    with pytest.raises(ConfigError, match="is no study"):
        run_recipe("tiny-folds", photo_folder, into=recipes, folder=recipes)


def test_study_of_other_photos_is_not_taken_up(
    study: Study, make_photo_folder: Callable[..., Path], recipes: Path, tmp_path: Path
) -> None:
    other = make_photo_folder(tmp_path / "other photos", n=2)
    with pytest.raises(ConfigError, match=r"--into: .* is a study of .*나의 사진, not of other photos"):
        run_recipe("tiny-linear", other, into=study.folder, folder=recipes)
    assert json.loads((study.folder / "study.json").read_text("utf-8"))["data"] != "other photos"


def test_study_that_was_stopped_in_its_first_variant_can_be_gone_on_with(
    photo_folder: Path, tiny_config: object, tmp_path: Path
) -> None:
    write(tmp_path, "alone-linear", body="split: {file: given.csv}\n")

    class Impatient(Listener):
        """Stops where the first variant begins."""

        def say(self, text: str) -> None:
            super().say(text)
            if text.startswith("\nalone-linear"):
                raise KeyboardInterrupt

    listener = Impatient()
    with pytest.raises(KeyboardInterrupt):
        run_recipe("alone-linear", photo_folder, runs_dir=tmp_path, folder=tmp_path, narrator=listener)
    (folder,) = tmp_path.glob("*-alone-linear")
    assert str(folder) in listener.told[-1]
    with pytest.raises(DataError, match=r"given\.csv"):  # the variant itself, not the folder
        run_recipe("alone-linear", photo_folder, into=folder, folder=tmp_path)


def test_changed_settings_are_told_and_make_another_run(
    photo_folder: Path, tiny_config: object, recipes: Path, tmp_path: Path
) -> None:
    done = run_recipe("tiny-linear", photo_folder, runs_dir=tmp_path, assignments=["data.per_class=15"], folder=recipes)
    (row,) = done.document["variants"]
    assert (row["n"], done.document["changed"]) == (45, ["data.per_class=15"])
    assert "accuracy 0.9" not in (done.folder / "study.html").read_text("utf-8")


def test_error_of_the_only_variant_is_raised(photo_folder: Path, recipes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rose"):
        run_recipe("tiny-gone", photo_folder, runs_dir=tmp_path, folder=recipes)
    assert not [folder for folder in tmp_path.iterdir() if folder.name.endswith("tiny-gone")]
    with pytest.raises(DataError, match=r"--data: there is no .*; tiny-linear takes photos"):
        run_recipe("tiny-linear", tmp_path / "none", runs_dir=tmp_path, folder=recipes)
    with pytest.raises(ConfigError, match="--runs-dir"):
        run_recipe("tiny-linear", photo_folder, runs_dir=photo_folder / "runs", folder=recipes)


def test_wrong_settings_are_told_before_anything_runs(recipes: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.lrr: there is no such setting"):
        find_variants("tiny", assignments=["train.lrr=1"], folder=recipes)
    with pytest.raises(ConfigError, match=r"--set train\.strength: tiny-strength is run with each of 0\.01, 100"):
        find_variants("tiny", assignments=["train.strength=1"], folder=recipes)
    with pytest.raises(ConfigError, match=r"--only: tiny has no recipe 'tiny-liner'; did you mean tiny-linear\?"):
        find_variants("tiny", only=["tiny-liner"], folder=recipes)


def test_photos_are_divided_without_a_choice_that_not_all_make(recipes: Path, tmp_path: Path) -> None:
    config = split_config("tiny", folder=recipes)
    assert config is not None and config.data.top_classes is None
    alone = split_config("tiny-two", folder=recipes)
    assert alone is not None and alone.data.top_classes == 2
    write(tmp_path, "s-a", "# sweep: data.per_class = 4 | 8\n")
    swept = split_config("s", assignments=["data.per_class=6", "split.seed=3"], folder=tmp_path)
    assert swept is not None and swept.data.per_class is None and swept.split.seed == 3


def test_equal_values_of_the_same_sweep_are_compared(tmp_path: Path) -> None:
    sweep = "# sweep: train.lr = 1e-3 | 1e-4\n"
    write(tmp_path, "s-a", sweep)
    write(tmp_path, "s-b", sweep + "# against: s-a\n")
    pairs = [(a.title, b.title) for a, b in compared_pairs(find_variants("s", folder=tmp_path))]
    assert pairs == [
        ("s-a lr=1e-4", "s-a lr=1e-3"), ("s-b lr=1e-3", "s-a lr=1e-3"),
        ("s-b lr=1e-4", "s-b lr=1e-3"), ("s-b lr=1e-4", "s-a lr=1e-4"),
    ]  # fmt: skip


def test_missing_weights_are_replaced_by_random_ones(tmp_path: Path) -> None:
    sizes = '{"growth_rate": 4, "block_config": [1], "num_init_features": 8}'
    write(tmp_path, "d-head", body=f"model: {{backbone: 'densenet:{sizes}', graft: head}}\n")
    write(tmp_path, "d-scratch", body="model: {backbone: cnn:4, graft: scratch}\n")
    write(tmp_path, "d-file", body="model: {backbone: timm:resnet50, weights: none.pth}\n")
    head, scratch, file = map(
        with_weights_here, (find_variants(f"d-{n}", folder=tmp_path)[0] for n in ("head", "scratch", "file"))
    )
    assert head.title == "d-head (random weights)"
    assert (head.config.model.weights, head.config.train.solver) == ("random", "steps")
    assert "model.weights" in head.missing
    assert (scratch.missing, file.missing) == ("", "")
    rows = {row["name"]: row["weights"] for row in recipe_rows(tmp_path)}
    assert rows == {"d-head": "missing", "d-scratch": "none", "d-file": "here"}


def test_recipe_is_copied_but_nothing_is_overwritten(recipes: Path, tmp_path: Path) -> None:
    copied = copy_recipe("tiny-folds", tmp_path, folder=recipes)
    assert copied == tmp_path / "tiny-folds.yaml"
    assert photograft.load_config(copied).split.folds == 3
    assert copy_recipe("tiny-folds", tmp_path / "내 것.yaml", folder=recipes).read_bytes() == copied.read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        copy_recipe("tiny-folds", tmp_path, folder=recipes)
    with pytest.raises(ConfigError, match="does not exist"):
        copy_recipe("tiny-folds", tmp_path / "no" / "x.yaml", folder=recipes)


@pytest.mark.slow
def test_stopped_variant_goes_on_where_it_was(photo_folder: Path, tiny_config: object, tmp_path: Path) -> None:
    body = "model: {backbone: cnn:4, graft: scratch}\ntrain: {epochs: 2, batch_size: 30, channels_last: false}\n"
    write(tmp_path, "stop-cnn", body=body)

    class Impatient(Listener):
        """Stops at the first epoch."""

        def say(self, text: str) -> None:
            super().say(text)
            if text.startswith("Fine-tuning"):
                raise KeyboardInterrupt

    listener, again = Impatient(), Listener()
    with pytest.raises(KeyboardInterrupt):
        run_recipe("stop-cnn", photo_folder, runs_dir=tmp_path, folder=tmp_path, narrator=listener)
    assert listener.told[-1].startswith("Go on with: photograft recipes run stop-cnn --data ")
    (folder,) = tmp_path.glob("*-stop-cnn")
    done = run_recipe("stop-cnn", photo_folder, into=folder, folder=tmp_path, narrator=again)
    assert any(text.startswith("Going on with ") for text in again.told)
    (row,) = done.document["variants"]
    assert [len(curve["epoch"]) for curve in row["curves"]] == [2]
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [row["run"]]
