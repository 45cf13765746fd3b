from __future__ import annotations

import itertools
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.tiny_bundles import Draft, flat_factors, several_labels, two_factors
from photograft.config import load_config
from photograft.data.hashing import hash_bytes
from photograft.errors import ModelError
from photograft.inference.classifier import Classifier, load
from photograft.reporting.robustness_section import robustness_csv
from photograft.tracking.run_folder import open_run
from photograft.values import Photo
from photograft.workflow import robustness
from photograft.workflow.narrator import Silent
from photograft.workflow.render import report
from photograft.workflow.robustness import Judged, read_photos, robustness_of
from photograft.workflow.train import TrainedRun

N = 24


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def draw_photos(root: Path, labels: list[dict[str, Any]]) -> tuple[Photo, ...]:
    """Photos of two colours in coarse noise, one per entry of `labels`; every second one is reddish."""
    photos = []
    for i, label in enumerate(labels):
        rng = np.random.default_rng(i)
        tint = np.array((150, 110, 90) if i % 2 else (110, 110, 130))
        coarse = np.clip(rng.normal(tint, 12, (8, 8, 3)), 0, 255).astype(np.uint8)
        path = root / "두 색" / f"photo {i:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((80, 60), Image.Resampling.BICUBIC).save(path, quality=95)
        photos.append(Photo(path.relative_to(root).as_posix(), sha256=hash_bytes(path.read_bytes()), **label))
    return tuple(photos)


def judged_of(photos: tuple[Photo, ...], **changes: Any) -> Judged:
    return Judged(**{"what": "test", "seen": False, "photos": photos, "group_N": np.arange(len(photos)), **changes})


def colour_bundle(folder: Path) -> Path:
    """A classifier that knows mean red and mean blue of the whole photo, and nothing else."""
    draft = Draft(folder).network("small", 32).target("label", ("blue", "빨강 red"), ["small"])
    weight_DM = np.tile(np.array([[-10.0, 10.0], [0, 0], [10.0, -10.0]], np.float32), (32, 1))
    draft.head_files["heads/0.safetensors"] = weight_DM, np.array([35.0, -35.0], np.float32)
    return draft.write()


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Photo, ...]:
    return draw_photos(tmp_path / "사진", [{"label": ("blue", "빨강 red")[i % 2]} for i in range(N)])


@pytest.fixture
def colour(tmp_path: Path) -> Iterator[Classifier]:
    with load(colour_bundle(tmp_path / "bundle")) as classifier:
        yield classifier


def try_on(
    classifier: Classifier, photos: tuple[Photo, ...], root: Path, *, limit_s: float = 1000.0, **arguments: Any
) -> dict[str, Any]:
    """With a cache of its own, so that no photo is known, nor what one costs."""
    judged = judged_of(photos, **arguments.pop("judged", {}))
    settings = [f"cache.dir={arguments.pop('cache', root.parent / 'cache')}"]
    return robustness_of(
        judged, classifier, root=root, config=load_config(None, settings), limit_s=limit_s, **arguments
    )


def find(section: dict[str, Any], kind: str, strength: int) -> dict[str, Any]:
    return next(row for row in section["corruptions"] if (row["kind"], row["strength"]) == (kind, strength))


def test_a_model_of_colour_alone_is_hurt_by_a_cast_and_by_no_patches_and_no_turns(
    colour: Classifier, photos: tuple[Photo, ...], tmp_path: Path
) -> None:
    listener = Listener()
    section = try_on(colour, photos, tmp_path / "사진", narrator=listener)
    assert (section["n"], section["of"], section["accuracy"], section["classes"]) == (N, N, 1.0, 2)
    assert find(section, "cast", 3)["low"] > 0.1
    assert find(section, "defocus", 3)["drop"] == 0
    assert section["texture"]["shuffled"]["drop"] == 0
    assert section["texture"]["outlined"]["accuracy"] == 0.5
    assert section["turned"]["unread"]["drop"] == 0
    assert (section["turned"]["alike"], section["turned"]["of"]) == (20, 20)
    assert listener.said[0].startswith("On worse photos: A colour cast costs")
    assert section["example"]["right"] == {**section["example"]["right"], "unchanged": True, "cast 2": False}
    assert section["example"]["label"] != section["example"]["named"]["cast 2"]
    again = try_on(colour, photos, tmp_path / "사진", cache=tmp_path / "other")
    assert {**again, "seconds": 0} == {**section, "seconds": 0}


def test_photos_in_an_archive_give_the_same(colour: Classifier, photos: tuple[Photo, ...], tmp_path: Path) -> None:
    packed = tmp_path / "사진.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for photo in photos:
            archive.write(tmp_path / "사진" / photo.path, photo.path)
    first, second = (try_on(colour, photos, root) for root in (tmp_path / "사진", packed))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_a_second_run_computes_nothing_anew_and_looks_at_the_same_photos(
    colour: Classifier, photos: tuple[Photo, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 1.0).__next__
    first = try_on(colour, photos, tmp_path / "사진", limit_s=21.0, now=clock)
    monkeypatch.setattr(robustness, "vary", None)  # nobody asks for worse photos again
    second = try_on(colour, photos, tmp_path / "사진", limit_s=21.0)
    assert first["n"] == second["n"] == 20
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


@pytest.mark.parametrize(("limit_s", "n"), [(1000.0, N), (23.5, 20), (20.0, 20)])
def test_the_time_limit_says_how_many_photos(
    colour: Classifier, photos: tuple[Photo, ...], tmp_path: Path, limit_s: float, n: int
) -> None:
    clock = itertools.count(0.0, 1.0).__next__  # every photo takes a second
    section = try_on(colour, photos, tmp_path / "사진", limit_s=limit_s, now=clock)
    assert section["n"] == n
    assert section["of"] == N


def test_too_little_time_or_too_few_photos_are_said(
    colour: Classifier, photos: tuple[Photo, ...], tmp_path: Path
) -> None:
    listener = Listener()
    clock = itertools.count(0.0, 1.0).__next__
    section = try_on(colour, photos, tmp_path / "사진", limit_s=19.5, now=clock, narrator=listener)
    assert section == {"n": 0, "left_out": "time", "enough_for": 19}
    assert "--robustness SECONDS" in listener.said[0]
    section = try_on(colour, photos[:19], tmp_path / "사진", judged={"group_N": np.arange(19)}, narrator=listener)
    assert section == {"n": 0, "left_out": "photos", "enough_for": 19}
    assert "19 judged photos can be read" in listener.said[1]
    gone = try_on(colour, photos, tmp_path / "elsewhere")
    assert gone == {"n": 0, "left_out": "photos", "enough_for": 0}


def test_the_work_stops_where_the_machine_becomes_slower(
    colour: Classifier, photos: tuple[Photo, ...], tmp_path: Path
) -> None:
    times = iter([*range(7), *itertools.repeat(40.0, 100)])
    seen = {photo.name for photo in photos}
    section = try_on(colour, photos, tmp_path / "사진", limit_s=24.0, now=lambda: float(next(times)))
    assert len(seen) == N
    assert section == {"n": 0, "left_out": "time", "enough_for": 6}


def test_changed_and_damaged_photos_are_passed_over(
    colour: Classifier, photos: tuple[Photo, ...], tmp_path: Path
) -> None:
    (tmp_path / "사진" / photos[3].path).write_bytes((tmp_path / "사진" / photos[4].path).read_bytes())
    damaged = (tmp_path / "사진" / photos[5].path).read_bytes()[:200]
    (tmp_path / "사진" / photos[5].path).write_bytes(damaged)
    other = tuple(
        photo if i != 5 else Photo(photo.path, label=photo.label, sha256=hash_bytes(damaged))
        for i, photo in enumerate(photos)
    )
    section = try_on(colour, other, tmp_path / "사진")
    assert section["n"] == N - 2


LABELS: dict[Callable[[Path], Draft], list[dict[str, Any]]] = {
    two_factors: [{"label": ("none | <30", "쓴 wear | >=60")[i % 2]} for i in range(N)],
    flat_factors: [{"label": ("none | <30", "none | >=60")[i % 2]} for i in range(N)],
    several_labels: [{"labels": (("개",), ("bird", "cat; 고양이"))[i % 2]} for i in range(N)],
}


@pytest.mark.parametrize("draw", LABELS)
def test_factors_and_several_labels_are_judged_as_the_headline_is(
    draw: Callable[[Path], Draft], tmp_path: Path
) -> None:
    photos = draw_photos(tmp_path / "사진", LABELS[draw])
    with load(draw(tmp_path / "bundle").write()) as classifier:
        section = try_on(classifier, photos, tmp_path / "사진")
        predictions = classifier.predict([tmp_path / "사진" / photo.path for photo in photos])
    assert isinstance(predictions, list)
    if draw is several_labels:
        right = [
            {name for name, _ in p.labels} == set(photo.labels) for p, photo in zip(predictions, photos, strict=True)
        ]
    else:
        right = [p.label == photo.label for p, photo in zip(predictions, photos, strict=True)]
    if draw is not two_factors:  # whose networks have more views than the one that is taken here
        assert section["accuracy"] == np.mean(right)
    assert section["n"] == N
    assert section["classes"] == 2
    assert len(robustness_csv(section).splitlines()) == 1 + 1 + 24 + 3


@pytest.mark.slow
def test_a_finished_run_is_tried_again_and_its_seal_holds(tiny_run: TrainedRun, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run.run, tmp_path / "run 사본"))
    assert 'id="robustness"' not in report(run).read_text("utf-8")
    listener = Listener()
    page = report(run, robustness_s=1000, narrator=listener).read_text("utf-8")
    section = json.loads((run / "robustness.json").read_text("utf-8"))
    assert section["n"] == 60
    assert section["what"] == "out-of-fold"
    assert section["seen"]
    assert "only the loss counts" in page
    assert page.count("data:image/jpeg") >= 9
    assert len(listener.said) == 1
    open_run(run).check()
    assert 'id="robustness"' in report(run).read_text("utf-8")
    (run / "robustness.json").write_text('{"n": 3}')
    with pytest.raises(ModelError, match=r"robustness\.json is damaged .* delete it"):
        report(run)


def test_the_photos_are_those_of_the_headline(tiny_run: TrainedRun, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(tiny_run.run, tmp_path / "run")))
    rows = (run.path / "splits.csv").read_text("utf-8").splitlines()
    header = rows[0].split(",")
    part, leaked = header.index("part"), header.index("leaked")
    cells = [row.split(",") for row in rows[1:]]
    for i, row in enumerate(cells):
        row[part], row[leaked] = ("test", str(int(i % 4 == 0))) if i < 30 else ("train", "0")
    run.write("splits.csv", "\n".join([rows[0], *(",".join(row) for row in cells)]) + "\n")
    predicted = (run.path / "predictions.csv").read_text("utf-8").splitlines()
    position = {row[0]: row[part] for row in cells}
    parted = [row.split(",") for row in predicted[1:]]
    for row in parted:
        row[1] = position[row[0]]
    run.write("predictions.csv", "\n".join([predicted[0], *(",".join(row) for row in parted)]) + "\n")
    config, root = load_config(run.path / "config.resolved.yaml"), tmp_path
    judged = read_photos(run, config, root=root, what="test")
    assert {photo.name for photo in judged.photos} == {row[0] for i, row in enumerate(cells) if i < 30 and i % 4}
    assert not judged.seen
    assert len(read_photos(run, config, root=root, what="test with leaks").photos) == 30
    folded = read_photos(run, config, root=root, what="out-of-fold")
    assert {photo.name for photo in folded.photos} == {row[0] for row in cells[30:]}
    assert folded.seen
    again = load_config(run.path / "config.resolved.yaml", ["train.refit=all"])
    assert read_photos(run, again, root=root, what="test").seen
    (run.path / "splits.csv").write_text("path\n")
    with pytest.raises(ModelError, match="its tables are damaged"):
        read_photos(run, config, root=root, what="test")
