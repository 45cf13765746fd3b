from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from photograft.config import load_config
from photograft.errors import ConfigError
from photograft.workflow.clock import Clock
from photograft.workflow.measured import Measured, measure
from photograft.workflow.narrator import Silent
from photograft.workflow.policies import with_policy


def measured(photos: Path, *assignments: str, reading_s: float = 1000.0) -> Measured:
    config = load_config(None, ["input.px=64", *assignments], quality="fast")
    return measure(photos, with_policy(config, "head"), reading_s, Clock(), Silent())


def test_drawn_shapes_are_few_and_easy(photo_folder: Path, tiny_config: object) -> None:
    found = measured(photo_folder)
    assert found.n_listed == 60 and found.per_class == (20.0, 20.0, 20.0)
    assert found.separability.n == 60 and found.separability.kappa > 0.9 and found.more is not None
    assert found.scenario.name == "small, similar" and found.view_s > 0


def test_photos_of_the_coming_test_part_are_not_judged(photo_folder: Path, tiny_config: object) -> None:
    assert measured(photo_folder, "split.test=0.2").separability.n == 48


def test_copies_count_once(make_photo_folder: Callable[..., Path], tiny_config: object, tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "사진", classes=("a", "b"), n=12)
    for photo in sorted((photos / "a").iterdir())[:4]:
        (photo.parent / f"copy of {photo.name}").write_bytes(photo.read_bytes())
    found = measured(photos)
    assert sorted(found.per_class) == [12.0, 12.0] and found.n_listed == 28


def test_a_part_is_read_where_time_is_short_and_classes_are_counted_in_full(
    make_photo_folder: Callable[..., Path], tiny_config: object, tmp_path: Path
) -> None:
    photos = make_photo_folder(tmp_path / "many", classes=("a", "b"), n=44, seed=7)
    found = measured(photos, reading_s=0.0)
    assert len(found.divided.manifest.photos) == 80 and found.config.data.per_class == 40
    assert found.n_listed == 88 and found.per_class == pytest.approx((44.0, 44.0))


def test_factors_learned_one_by_one_are_judged_as_combinations(
    photo_folder: Path, tiny_config: object, tmp_path: Path
) -> None:
    kinds = {folder.name: f"{folder.name},{len(folder.name) > 5}" for folder in photo_folder.iterdir()}
    names = sorted(path.relative_to(photo_folder) for path in photo_folder.rglob("*.*"))
    table = tmp_path / "labels.csv"
    lines = [f"{photo_folder / name},{kinds[name.parts[0]]}" for name in names]
    table.write_text("\n".join(["path,kind,long", *lines]), "utf-8")
    found = measured(table, "data.labels.factors=[kind, long]", "model.labels=heads")
    assert found.separability.n == 60 and found.separability.kappa > 0.9 and len(found.per_class) == 3


def test_a_network_of_random_weights_transfers_nothing(photo_folder: Path, tiny_config: object) -> None:
    random = ["model.backbone=timm:test_resnet", "model.weights=random"]
    with pytest.raises(ConfigError, match="no pretrained weights here, so that there is nothing to transfer"):
        measured(photo_folder, *random)
