from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photograft
from photograft.errors import ConfigError, DataError

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from photograft.estimator import PhotoClassifier


@pytest.fixture(scope="module")
def labelled(photo_folder: Path, tiny_config: photograft.Config) -> tuple[list[str], list[str]]:
    paths = sorted(photo_folder.rglob("*.jpg"))
    return [str(p) for p in paths], [p.parent.name for p in paths]


def tiny(**settings: Any) -> PhotoClassifier:
    return PhotoClassifier("fast", px=64, **settings)


def test_parameters_are_those_of_scikit_learn() -> None:
    model = tiny(strength=0.1)
    assert clone(model).get_params() == model.get_params()
    assert set(model.get_params()) == {"quality", "px", "strength", "balance", "folds", "seed"}
    assert model.set_params(strength=0.3, balance="balanced").strength == 0.3


def test_fit_predict_and_probabilities(labelled: tuple[list[str], list[str]]) -> None:
    paths, labels = labelled
    model = tiny().fit(paths[::2], labels[::2])
    assert model.classes_.tolist() == sorted(set(labels)) and model.strength_ > 0 and model.temperature_ >= 1
    probability_NK = model.predict_proba(paths[1::2])
    assert probability_NK.shape == (24, 3) and probability_NK.sum(1) == pytest.approx(1)
    predicted = model.predict(paths[1::2])
    assert predicted.tolist() == model.classes_[probability_NK.argmax(1)].tolist()
    assert model.score(paths[1::2], labels[1::2]) > 0.8


def test_paths_bytes_images_and_arrays_agree(photo_folder: Path, labelled: tuple[list[str], list[str]]) -> None:
    model = tiny(strength=0.1).fit(*labelled)
    paths = sorted(photo_folder.rglob("*.png"))
    images = [Image.open(p).convert("RGB") for p in paths]
    wanted = model.predict_proba(paths)
    arrays = np.stack([np.asarray(i) for i in images])
    for photos in ([p.read_bytes() for p in paths], images, arrays, list(arrays), np.array([str(p) for p in paths])):
        assert np.abs(model.predict_proba(photos) - wanted).max() <= 1e-5


def test_arrays_can_be_fitted_on(photo_folder: Path, labelled: tuple[list[str], list[str]]) -> None:
    paths, labels = labelled
    arrays = np.stack([np.asarray(Image.open(p)) for p in paths])
    assert tiny(strength=0.1).fit(arrays, np.array(labels)).score(arrays, labels) > 0.9


def test_cross_validation_pipeline_and_grid_search(labelled: tuple[list[str], list[str]]) -> None:
    paths, labels = labelled
    assert cross_val_score(tiny(strength=0.1), paths, labels, cv=3).mean() > 0.8
    pipeline = Pipeline([("same", FunctionTransformer()), ("photos", tiny(strength=0.1))])
    assert cross_val_score(pipeline, paths, labels, cv=3).mean() > 0.8
    search = GridSearchCV(tiny(), {"strength": [1.0, 0.1]}, cv=2).fit(paths, labels)
    assert search.best_params_["strength"] in (1.0, 0.1) and search.predict(paths[:1]).tolist() == labels[:1]


def test_the_same_seed_gives_the_same_model(labelled: tuple[list[str], list[str]]) -> None:
    one, two = (tiny(seed=1).fit(*labelled) for _ in range(2))
    assert np.array_equal(one.head_.weight_DK, two.head_.weight_DK) and one.strength_ == two.strength_


def test_what_cannot_work_says_why(labelled: tuple[list[str], list[str]], tmp_path: Path) -> None:
    paths, labels = labelled
    with pytest.raises(NotFittedError):
        tiny().predict(paths[:1])
    with pytest.raises(DataError, match="two classes"):
        tiny().fit(paths[:5], ["one"] * 5)
    with pytest.raises(ConfigError, match="one label per photo"):
        tiny().fit(paths[:2], [["red", "round"], ["blue"]])
    (tmp_path / "깨진.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="깨진"):
        tiny().fit([*paths, str(tmp_path / "깨진.jpg")], [*labels, labels[0]])
    with pytest.raises(DataError, match=r"missing\.jpg"):
        tiny().fit([*paths, str(tmp_path / "missing.jpg")], [*labels, labels[0]])


def test_an_array_that_is_no_picture_is_refused(labelled: tuple[list[str], list[str]]) -> None:
    model = tiny(strength=0.1).fit(*labelled)
    with pytest.raises(photograft.PhotograftError, match="uint8"):
        model.predict([np.zeros((10, 10, 3))])
