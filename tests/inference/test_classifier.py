from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photograft
from photograft.errors import ConfigError
from photograft.inference.classifier import Classifier, Prediction
from photograft.workflow.train import TrainedRun


@pytest.fixture(scope="session")
def photos(photo_folder: Path) -> list[Path]:
    return sorted(photo_folder.rglob("*.png"))


def chances(prediction: Prediction) -> list[float]:
    return [p for _, p in sorted(prediction.top)]


def one(model: Classifier, photo: Any) -> Prediction:
    prediction = model.predict(photo)
    assert isinstance(prediction, Prediction)
    return prediction


def test_path_bytes_image_and_array_agree(tiny_classifier: Classifier, photos: list[Path]) -> None:
    path = photos[0]
    content, image = path.read_bytes(), Image.open(path).convert("RGB")
    opaque = image.convert("RGBA")
    same = [path, str(path), content, bytearray(content), memoryview(content), image, opaque, np.asarray(image)]
    wanted = one(tiny_classifier, path)
    assert (wanted.status, wanted.label, wanted.path) == ("ok", path.parent.name, str(path))
    assert wanted.probability == wanted.top[0][1] and sum(p for _, p in wanted.top) == pytest.approx(1)
    for photo in [*same, np.asarray(opaque)]:
        assert chances(one(tiny_classifier, photo)) == pytest.approx(chances(wanted), abs=1e-6)
    grey = image.convert("L")
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    for photo in (grey, np.asarray(grey), np.asarray(grey.convert("RGB"))):
        assert chances(one(tiny_classifier, photo)) == pytest.approx(
            chances(one(tiny_classifier, buffer.getvalue())), abs=1e-6
        )


def test_transparent_pixels_are_white(tiny_classifier: Classifier) -> None:
    rgba = np.zeros((50, 60, 4), np.uint8)
    white = np.full((50, 60, 3), 255, np.uint8)
    assert chances(one(tiny_classifier, rgba)) == pytest.approx(chances(one(tiny_classifier, white)), abs=1e-6)


def test_an_array_of_any_memory_order_is_taken(tiny_classifier: Classifier, photos: list[Path]) -> None:
    array = np.asarray(Image.open(photos[0]).convert("RGB"))
    wanted = chances(one(tiny_classifier, array))
    assert chances(one(tiny_classifier, np.asfortranarray(array))) == wanted
    assert chances(one(tiny_classifier, array[:, ::-1][:, ::-1])) == wanted


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((10, 10, 3)),
        np.zeros((10, 10, 3), np.int64),
        np.zeros((10, 10, 2), np.uint8),
        np.zeros((3, 10, 10), np.uint8),
        np.zeros((2, 10, 10, 3), np.uint8),
        np.zeros(10, np.uint8),
    ],
)
def test_an_array_that_is_no_picture_says_what_would_be(tiny_classifier: Classifier, array: Any) -> None:
    with pytest.raises(ConfigError, match=r"uint8 of shape \(height, width\)"):
        tiny_classifier.predict(array)
    with pytest.raises(ConfigError):
        tiny_classifier.predict([array])


@pytest.mark.parametrize("given", [5, None, [5], [None]])
def test_what_is_no_photo_says_what_is(tiny_classifier: Classifier, given: Any) -> None:
    with pytest.raises(ConfigError, match="a path, the bytes of a file, a PIL image or a uint8 array"):
        tiny_classifier.predict(given)


def test_files_that_cannot_be_used_are_rejected_with_a_reason(
    tiny_classifier: Classifier, photos: list[Path], tmp_path: Path
) -> None:
    empty = tmp_path / "빈 파일.jpg"
    empty.write_bytes(b"")
    half = photos[0].read_bytes()[:2000]
    bad = [empty, tmp_path / "nothing.jpg", tmp_path, b"no picture", half, b"", "nul\0.jpg"]
    found = tiny_classifier.predict([photos[0], *bad, photos[1]])
    assert isinstance(found, list)
    assert [p.status for p in found] == ["ok", *["rejected"] * 7, "ok"]
    for prediction in found[1:-1]:
        assert (prediction.label, prediction.probability, prediction.top) == (None, None, ()) and prediction.reason
    verdicts = [p.reason.split(":")[0] for p in found[1:-1]]
    assert verdicts == ["empty", "unreadable", "unreadable", "not_an_image", "truncated", "empty", "unreadable"]
    assert one(tiny_classifier, empty).status == "rejected"
    assert one(tiny_classifier, np.zeros((0, 10, 3), np.uint8)).status == "rejected"


def test_a_list_keeps_its_order_and_photos_do_not_influence_each_other(
    tiny_classifier: Classifier, photo_folder: Path
) -> None:
    paths = sorted(photo_folder.rglob("*.jpg"))[:40]
    together = tiny_classifier.predict(paths)
    assert isinstance(together, list) and [p.path for p in together] == list(map(str, paths))
    backwards = tiny_classifier.predict([b"broken", *paths[::-1]])
    assert isinstance(backwards, list)
    for a, b in zip(together, backwards[:0:-1], strict=True):
        assert a.path == b.path and chances(a) == pytest.approx(chances(b), abs=1e-5)
    for i in (0, 17, 39):
        assert chances(one(tiny_classifier, paths[i])) == pytest.approx(chances(together[i]), abs=1e-5)
    assert tiny_classifier.predict([]) == []


def test_photos_are_read_lazily(tiny_classifier: Classifier, photos: list[Path]) -> None:
    taken: list[int] = []

    def endless() -> Any:
        while True:
            taken.append(1)
            yield photos[len(taken) % len(photos)]

    stream = tiny_classifier.predict_each(endless())
    assert [next(stream).status for _ in range(3)] == ["ok"] * 3
    assert len(taken) < 200


def test_the_default_names_of_photos_without_a_path(tiny_classifier: Classifier, photos: list[Path]) -> None:
    found = tiny_classifier.predict([photos[0].read_bytes(), Image.open(photos[0])])
    assert isinstance(found, list) and [p.path for p in found] == ["photo 1", "photo 2"]


def test_a_run_and_its_bundle_load_alike_and_close(tiny_run: TrainedRun, photos: list[Path]) -> None:
    with photograft.load(tiny_run.run) as run, photograft.load(str(tiny_run.bundle)) as bundle:
        assert one(run, photos[0]) == one(bundle, photos[0])
        assert run.classes == tiny_run.classes


def test_rejects_and_labels_stand_in_the_table(tiny_classifier: Classifier, photos: list[Path]) -> None:
    table = tiny_classifier.predict_table([photos[0], b"broken"], np.array([0, 1]))
    assert table.statuses == ("ok", "rejected") and np.isnan(table.probabilities_NK[1]).all()
    assert table.reasons[0] == "" and table.reasons[1].startswith("not_an_image")
    assert table.paths[0] == os.fspath(photos[0]) and table.classes == tiny_classifier.classes
    assert tiny_classifier.predict_table([], np.zeros(0, np.int64)).probabilities_NK.shape == (0, 3)
