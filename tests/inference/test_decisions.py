"""The statuses of photos: ok, unsure, unfamiliar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.inference.tiny_bundles import decided, several_labels

import photograft
from photograft.errors import ConfigError
from photograft.inference.classifier import Prediction
from photograft.inference.decisions import strangeness
from photograft.models.bundle import Bundle, read_bundle


def grey(level: int) -> np.ndarray:
    """A grey picture."""
    return np.full((16, 16, 3), level, np.uint8)


def stripes() -> np.ndarray:
    """A picture whose columns are black and white by turns."""
    return np.tile(np.array([0, 255], np.uint8)[None, :, None], (16, 8, 3))


def one(folder: Path, picture: np.ndarray, **options: float) -> Prediction:
    with photograft.load(folder, **options) as model:
        found = model.predict(picture)
    assert isinstance(found, Prediction)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose limit of strangeness lies between grey pictures and stripes."""
    bundle = read_bundle(decided(tmp_path / "모델"))
    return decided(tmp_path / "with a limit", limit=(strange(bundle, grey(40)) + strange(bundle, stripes())) / 2)


def strange(bundle: Bundle, picture: np.ndarray) -> float:
    assert bundle.familiar is not None
    embedding_D = picture.mean(axis=0).reshape(-1) / 255
    return float(strangeness(embedding_D[None].astype(np.float32), bundle.familiar)[0])


def test_a_photo_is_ok_unsure_or_unfamiliar(folder: Path) -> None:
    found = {name: one(folder, picture) for name, picture in _pictures().items()}
    assert {name: each.status for name, each in found.items()} == {
        "dark": "ok",
        "light": "ok",
        "between": "unsure",
        "stripes": "unfamiliar",
    }
    assert found["dark"].label == "dark" and found["light"].label == "light"
    assert found["between"].label is not None and found["between"].probability is not None
    assert 0.5 <= found["between"].probability < 0.75
    assert found["stripes"].label is not None and len(found["stripes"].top) == 2 and found["stripes"].reason == ""


def test_the_statuses_do_not_depend_on_the_other_photos(folder: Path) -> None:
    pictures = list(_pictures().values())
    with photograft.load(folder) as model:
        together = model.predict([*pictures, b"no photo", *pictures])
    assert isinstance(together, list)
    wanted = ["ok", "ok", "unsure", "unfamiliar"]
    assert [each.status for each in together] == [*wanted, "rejected", *wanted]


def test_another_probability_may_be_asked_for(folder: Path) -> None:
    assert one(folder, grey(120), min_probability=0.0).status == "ok"
    assert one(folder, grey(20), min_probability=1.0).status == "unsure"
    assert one(folder, stripes(), min_probability=0.0).status == "unfamiliar"
    with pytest.raises(ConfigError, match="from 0 to 1"):
        photograft.load(folder, min_probability=95)


def test_several_labels_take_no_probability(tmp_path: Path) -> None:
    folder = several_labels(tmp_path / "model").write()
    with pytest.raises(ConfigError, match="any number of labels"):
        photograft.load(folder, min_probability=0.5)


def test_evaluation_counts_unsure_photos_too(folder: Path) -> None:
    with photograft.load(folder) as model:
        table = model.predict_table(_pictures().values(), np.array([0, 1, 0, 0]))
    assert table.statuses == ("ok",) * 4


def _pictures() -> dict[str, np.ndarray]:
    return {"dark": grey(20), "light": grey(235), "between": grey(120), "stripes": stripes()}
