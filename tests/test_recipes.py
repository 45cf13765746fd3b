"""The recipes that are installed: each is complete, does a row of its source system, and trains."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from photograft.config.recipe import Recipe, list_recipes, read_recipe
from photograft.workflow.recipes import run_recipe
from photograft.workflow.variants import find_variants, with_weights_here

GUIDES = Path(__file__).resolve().parent.parent / "docs" / "guides"
SYSTEMS = {
    "painters": "painters/",
    "flowers": "flowers/",
    "dogs": "dogs/",
    "densenet": "objects/",
    "mask": "labels.csv",
}
RECIPES = {recipe.name: recipe for recipe in list_recipes()}
WITH_WEIGHTS = ("efficientnet-lite", "run:", "cnn:", "autoencoder:")
"""How backbones begin that need no weights beside those that come along."""

ONE_EPOCH = ("train.epochs=1", "train.evaluate_from=1", "pretrain.epochs=1", "augment.views=1", "pretrain.sheet=2")
SMALL = ("input.px=64", "split.folds=2")

# One line per row of the source systems: the recipe that does it, and settings without which it would not.
ROWS: list[tuple[str, str, dict[str, Any]]] = [
    ("autoencoder trained to reconstruct", "painters-pretrain", {"model.backbone": "autoencoder:32x5"}),
    ("classifier on encoder and residual blocks", "painters-autoencoder", {"model.hidden": ("256",)}),
    ("autoencoder and classifier joined", "painters-autoencoder", {"model.graft": "all"}),
    ("encoder weights transferred", "painters-autoencoder-frozen", {"model.graft": "head"}),
    ("augmentation by flip, rotation, crop", "painters-autoencoder", {"augment.rotation": 15.0, "augment.crop": 0.7}),
    ("batch size 8, 16, 32", "painters-batch-size", {"sweep": ("train.batch_size", ("8", "16", "32"))}),
    ("dropout on dense layers", "painters-dropout", {"sweep": ("train.dropout", ("0", "0.2", "0.5"))}),
    ("48 painters cut to 3", "painters-three-classes", {"data.top_classes": 3}),
    ("equal number of works", "painters-equal", {"data.per_class": 120}),
    ("weights per painter", "painters-balance", {"sweep": ("train.balance", ("none", "sqrt", "balanced", "sampled"))}),
    ("verdict: random weights", "painters-random", {"model.graft": "scratch", "model.backbone": "autoencoder:32x5"}),
    ("verdict: ImageNet", "painters-imagenet", {"model.graft": "head", "model.backbone": "efficientnet-lite0"}),
    ("verdict: ImageNet, trained too", "painters-imagenet-tuned", {"model.graft": "blocks:2"}),
    ("1 small CNN", "flowers-small-cnn", {"model.backbone": "cnn:16-32-64", "model.hidden": ("512",), "input.px": 160}),
    ("rates 0.001 and 0.0001", "flowers-small-cnn", {"sweep": ("train.lr", ("1e-3", "1e-4"))}),
    ("2 VGG16", "flowers-vgg16", {"model.backbone": "timm:vgg16", "model.pool": "average", "model.hidden": ("1000",)}),
    ("3.1 ResNet50V2", "flowers-resnet50v2", {"model.graft": "layer:stages.2", "train.lr": 1e-4}),
    ("3.1 dense layers", "flowers-resnet50v2", {"model.hidden": ("32 batchnorm", "32")}),
    ("3.2 augmentation", "flowers-resnet50v2-augmented", {"augment.views": 4, "augment.flip": "both"}),
    ("ResNet50 V1", "flowers-resnet50", {"model.backbone": "timm:resnet50"}),
    ("2 on the embedded network", "flowers-lite0-frozen", {"train.solver": "steps", "model.hidden": ("1000",)}),
    ("3.1 on it", "flowers-lite0-partial", {"sweep": ("train.lr", ("1e-3", "1e-4"))}),
    ("3.2 on it", "flowers-lite0-augmented", {"augment.views": 4, "augment.brightness": 0.2}),
    ("yardstick of the flowers", "flowers-lite0-linear", {"train.solver": "exact", "input.px": 160}),
    ("small CNN at 64", "dogs-small-cnn", {"input.px": 64, "data.boxes": "voc", "model.graft": "scratch"}),
    ("deeper CNN at 128", "dogs-deeper-cnn", {"input.px": 128, "data.boxes": "voc", "model.graft": "scratch"}),
    ("transfer at 224", "dogs-transfer", {"input.px": 224, "data.boxes": "voc"}),
    ("the missing row", "dogs-lite0-transfer", {"input.px": 224, "sweep": ("data.boxes", ("voc", "none"))}),
    ("trainer A", "densenet-head", {"train.optimizer": "adam", "train.lr": 5e-5, "train.batch_size": 8}),
    ("trainer A: rate x 0.85", "densenet-head", {"train.schedule": "step", "train.gamma": 0.85, "train.epochs": 10}),
    ("trainer A: head only", "densenet-head", {"model.graft": "head", "train.solver": "steps"}),
    ("trainer B", "densenet-all", {"train.optimizer": "sgd", "train.momentum": 0.9, "model.graft": "all"}),
    ("trainer B: step evaluation", "densenet-all", {"train.evaluate_steps": 10, "train.best_from": 0.7}),
    ("table, heat map, weights", "densenet-all", {"train.keep_evaluations": "weights"}),
    ("trainer A on the embedded network", "densenet-lite0-head", {"train.lr": 5e-5, "model.graft": "head"}),
    ("trainer B on it", "densenet-lite0-all", {"train.best_from": 0.7, "model.graft": "all"}),
    ("try 1", "mask-try1", {"model.labels": "flat", "split.folds": 5, "train.epochs": 1, "input.px": 224}),
    ("try 2", "mask-try2", {"model.labels": "models", "split.folds": 4, "train.epochs": 1, "input.px": 380}),
    ("try 2: crop, weights", "mask-try2", {"input.crop": "center", "train.balance": "balanced", "model.graft": "all"}),
    ("wishes: a ViT", "mask-wishes", {"ensemble.members.vit.backbone": "timm:vit_small_patch16_224"}),
    ("wishes: all data", "mask-lite0-wishes", {"train.on_all": True, "train.early_stopping": 2}),
    ("wishes: BCE for gender", "mask-lite0-wishes", {"model.factors.gender.loss": "binary"}),
    ("wishes: ages in order", "mask-lite0-wishes", {"model.factors.age.loss": "ordinal"}),
    ("wishes: copies for age", "mask-lite0-wishes", {"model.factors.age.augment.rotation": 10.0}),
    ("try 1 on the embedded network", "mask-lite0-try1", {"model.labels": "flat", "split.folds": 5}),
    ("try 2 on it", "mask-lite0-try2", {"model.labels": "models", "train.balance": "balanced"}),
    ("yardstick of the masks", "mask-flat", {"model.labels": "flat", "model.graft": "head"}),
    ("split by person", "mask-flat", {"data.labels.group": "person", "split.test": 0.0}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "name", "settings"), ROWS, ids=[row for row, _, _ in ROWS])
def test_row_of_the_source_systems_has_its_recipe(row: str, name: str, settings: dict[str, Any]) -> None:
    recipe = RECIPES[name]
    config: Any = recipe.config()
    for key, value in settings.items():
        assert (recipe.sweep if key == "sweep" else setting_of(config, key)) == value, f"{row}: {key}"


def test_no_recipe_is_without_a_row() -> None:
    assert sorted(RECIPES) == sorted({name for _, name, _ in ROWS})


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_head_is_complete(recipe: Recipe) -> None:
    assert recipe.system in SYSTEMS
    assert recipe.command == f"photograft recipes run {recipe.name} --data {SYSTEMS[recipe.system]}"
    assert all((recipe.reproduces, recipe.source, recipe.data))
    assert len(recipe.text.splitlines()) <= 48
    for other in filter(None, (recipe.needs, recipe.twin, *recipe.against)):
        assert read_recipe(other).system == recipe.system


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_settings_hold_with_every_value_of_the_sweep(recipe: Recipe) -> None:
    setting, values = recipe.sweep or ("train.seed", ("0",))
    seen = [setting_of(recipe.config([f"{setting}={value}"]), setting) for value in values]
    assert len(set(seen)) == len(values)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_what_needs_other_weights_has_a_twin_that_needs_none(recipe: Recipe) -> None:
    backbone = recipe.config().model.backbone
    assert bool(recipe.twin) != backbone.startswith(WITH_WEIGHTS)
    if recipe.twin:
        twin = read_recipe(recipe.twin).config()
        assert twin.model.backbone == "efficientnet-lite0"
        assert all(m.backbone and m.backbone.startswith("efficientnet-lite") for m in twin.ensemble.members.values())
    assert backbone == f"run:{recipe.needs}" if recipe.needs else not backbone.startswith("run:")


@pytest.mark.parametrize("system", SYSTEMS)
def test_recipes_of_a_system_divide_photos_alike(system: str) -> None:
    configs = [each.config() for each in RECIPES.values() if each.system == system and each.verb == "train"]
    assert len({(config.split.val, config.split.test, config.split.seed) for config in configs}) == 1
    assert len({config.data.labels.model_copy(update={"order": {}}).model_dump_json() for config in configs}) == 1


@pytest.mark.parametrize("system", SYSTEMS)
def test_guide_of_the_system_names_its_recipes(system: str) -> None:
    text = (GUIDES / f"{system}.md").read_text("utf-8")
    assert f"photograft recipes run {system} --data {SYSTEMS[system]}" in text
    missing = [name for name, recipe in RECIPES.items() if recipe.system == system and f"`{name}`" not in text]
    assert not missing, f"{system}.md does not name {missing}"
    named = set(re.findall(rf"`({system}-[\w-]+)`", text))
    assert named <= set(RECIPES), f"{system}.md names recipes that are not there"


@pytest.mark.slow
def test_members_without_weights_here_get_random_ones() -> None:
    (variant,) = find_variants("mask-wishes")
    here = with_weights_here(variant)
    if not here.missing:
        pytest.skip("the weights of EfficientNet-b4 and of the vision transformer are on this machine")
    assert "random" in (here.config.model.weights, here.config.ensemble.members["vit"].weights)


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_recipe_trains_for_an_epoch(system: str, make_photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    photos = {"dogs": draw_boxed, "mask": draw_faces}.get(system, draw_classes)(make_photo_folder, tmp_path / "사진")
    study = run_recipe(
        system, photos, runs_dir=tmp_path, assignments=[*ONE_EPOCH, *SMALL], folder=without_sweeps(tmp_path / "recipes")
    )
    assert not study.failed, "\n".join(study.lines())
    rows = study.document["variants"]
    assert {row["recipe"] for row in rows} == {name for name, recipe in RECIPES.items() if recipe.system == system}
    for row in rows:
        trains = row["verb"] == "train"
        assert (row["accuracy"] is not None) == trains, row["variant"]
        assert (row["pretraining"] is None) == trains, row["variant"]
        assert all(len(curve["epoch"]) >= 1 for curve in row["curves"]), row["variant"]
    here = {row["recipe"] for row in rows if not row["random_weights"]}
    assert here >= {name for name, recipe in RECIPES.items() if recipe.system == system and not recipe.twin}
    assert (study.folder / "study.html").is_file()


def without_sweeps(folder: Path) -> Path:
    """The recipes with one run each, so that all of them end in minutes."""
    folder.mkdir()
    for name, recipe in RECIPES.items():
        text = re.sub(r"# sweep: .*\n(#   .*\n)*", "", recipe.text)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def draw_classes(make_photo_folder: Callable[..., Path], root: Path) -> Path:
    """Four classes of eight photos."""
    return make_photo_folder(root, classes=("유화", "sketch", "photo", "cartoon"), n=8)


def draw_boxed(make_photo_folder: Callable[..., Path], root: Path) -> Path:
    """Three breeds of eight photos in the layout of Stanford Dogs, each with a box."""
    make_photo_folder(root / "Images", classes=("n1-beagle", "n2-husky", "n3-poodle"), n=8)
    for photo in sorted((root / "Images").rglob("*.*g")):
        file = root / "Annotation" / photo.parent.name / photo.stem
        file.parent.mkdir(parents=True, exist_ok=True)
        box = "<bndbox><xmin>8</xmin><ymin>4</ymin><xmax>56</xmax><ymax>44</ymax></bndbox>"
        size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
        file.write_text(
            f"<annotation><filename>{photo.stem}</filename>{size}"
            f"<object><name>{photo.parent.name.partition('-')[2]}</name>{box}</object></annotation>",
            encoding="utf-8",
        )
    return root


def draw_faces(make_photo_folder: Callable[..., Path], root: Path) -> Path:
    """A table of six combinations of mask, gender and age, with eight persons each."""
    combinations = [
        ("wear", "male", "<30"),
        ("wear", "female", "30-60"),
        ("incorrect", "male", ">=60"),
        ("incorrect", "female", "<30"),
        ("none", "male", "30-60"),
        ("none", "female", ">=60"),
    ]
    make_photo_folder(root, classes=[str(number) for number in range(len(combinations))], n=8)
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "mask", "gender", "age", "person"))
        for number, combination in enumerate(combinations):
            for photo in sorted((root / str(number)).iterdir()):
                table.writerow((photo.relative_to(root).as_posix(), *combination, photo.stem))
    return root / "labels.csv"


def setting_of(config: Any, key: str) -> Any:
    """The value of `section.key`, also of names that users choose."""
    for part in key.split("."):
        config = config[part] if isinstance(config, dict) else getattr(config, part)
    return config
