"""A wrong normalisation is named, a right one is left alone."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import photograft
from photograft.errors import DataError
from photograft.workflow.normalisation import compare_normalisations


@pytest.fixture(scope="module")
def lite0_weights(tiny_config: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded network's weights as a file under the names of timm."""
    file = tmp_path_factory.mktemp("weights") / "lite0.safetensors"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch and timm, about themselves
        from safetensors.torch import save_file

        from photograft.models.backbone import load_embedder
        from photograft.models.catalogue import find_backbone

        network = load_embedder(find_backbone("efficientnet-lite0"), px=64).trunk.network
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, file)
    return file


@pytest.mark.slow
def test_a_wrong_mean_is_named_and_the_right_one_fits(lite0_weights: Path, shared_data: Path) -> None:
    own = ["model.backbone=timm:tf_efficientnet_lite0", f"model.weights={lite0_weights}", "data.per_class=12"]
    wrong = ["model.mean=[0.485, 0.456, 0.406]", "model.std=[0.229, 0.224, 0.225]"]
    photos = shared_data / "styles"
    found = compare_normalisations(photos, config=photograft.load_config(None, [*own, *wrong]))
    assert found["better"] == "usual for the network" and not found["fits"]
    assert found["problems"][0].endswith("Leave out model.mean and model.std.")
    names = [row["name"] for row in found["candidates"]]
    assert names[0] == "configured" and len(names) == len(set(names)) == 5 and found["photos"] == 48
    found = compare_normalisations(photos, config=photograft.load_config(None, own))
    assert found["fits"] and found["problems"] == [] and found["judged_by"] == "BatchNorm statistics"


def test_too_few_photos_of_a_class(make_photo_folder: Callable[..., Path], tmp_path: Path, tiny_config: object) -> None:
    photos = make_photo_folder(tmp_path / "사진", classes=("a", "b"), n=5)
    next((photos / "b").iterdir()).unlink()
    with pytest.raises(DataError, match="at least two classes with 5 photos each"):
        compare_normalisations(photos)
    shutil.rmtree(photos / "b")
    with pytest.raises(DataError, match="only 1 class folder"):
        compare_normalisations(photos)
