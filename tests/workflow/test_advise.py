from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import photograft
from photograft.cli.main import main
from photograft.config import load_config
from photograft.data.csv_text import read_table
from photograft.data.listing import Found, Listing
from photograft.data.targets import find_targets
from photograft.errors import ConfigError, DataError
from photograft.schemas import load_schema
from photograft.values import Manifest, Photo, Splits
from photograft.workflow.policies import Cost, Divided, Sample, choose_sample, count_candidates, write_parts

TINY = ("--quality", "fast", "--set", "input.px=64")
HEAD = Cost("head", 0.0, 0.0, full_seconds=5.0, full_peak_mb=300)
BLOCKS = Cost("blocks:2", once_s=0.1, fit_s=0.1, full_seconds=300.0, full_peak_mb=1000)


def test_folds_judge_where_all_photos_fit() -> None:
    found = choose_sample([100, 80], [HEAD, BLOCKS], seconds=36 + 180 * 0.4 + 1)
    assert found == Sample(180, None, folds=True, over=False)


def test_of_more_photos_as_many_as_fit_are_drawn_evenly() -> None:
    found = choose_sample([2000, 1000, 30], [HEAD, BLOCKS], seconds=200)
    assert not found.folds and not found.over and found.per_class is not None
    assert found.n_photos == 2 * found.per_class + 30
    cost = sum(each.seconds(found.n_photos, folds=False) for each in (HEAD, BLOCKS))
    assert 190 < cost <= 200


def test_too_little_time_gives_the_smallest_sample_that_tells_something_and_says_so() -> None:
    assert choose_sample([500, 400], [HEAD, BLOCKS], seconds=1) == Sample(200, 100, folds=False, over=True)
    assert choose_sample([500, 8, 7], [HEAD, BLOCKS], seconds=1) == Sample(200, 185, folds=False, over=True)
    assert choose_sample([40] * 20, [HEAD, BLOCKS], seconds=1) == Sample(300, 15, folds=False, over=True)
    assert choose_sample([90, 100], [HEAD, BLOCKS], seconds=1) == Sample(190, None, folds=True, over=True)


def divided(n: int = 90) -> Divided:
    """Photos of two classes in threes of one person; every tenth person is in the test part."""
    config = load_config(None, ["data.labels.group=person"])
    rows = [(f"{'ab'[i % 2]}/{i:03d} 꽃.jpg", "ab"[i % 2], f"p{i // 3}") for i in range(n)]
    photos = tuple(Photo(path, label, sha256=path, group=group) for path, label, group in rows)
    listing = Listing(Path("."), tuple(Found(path, label) for path, label, _ in rows), ("a", "b"))
    person_N = np.arange(n) // 3
    part_N = np.where(person_N % 10 == 0, "test", "train")
    fold_N = np.where(part_N == "test", -1, person_N % 5)
    none_RN = np.empty((0, n), np.int64)
    splits = Splits(part_N, fold_N, person_N, np.zeros(n, bool), 5, "", np.arange(n), none_RN)
    return Divided(listing, Manifest(Path("."), photos), find_targets(("a", "b"), config, several=False), splits)


def test_trials_see_no_photo_of_the_test_part_and_keep_persons_together(tmp_path: Path) -> None:
    photos, config = divided(), load_config(None, ["data.labels.group=person"])
    assert sum(count_candidates(photos)) == 81
    n = write_parts(tmp_path / "parts.csv", photos, Sample(60, 30, folds=False, over=False), config)
    rows = read_table((tmp_path / "parts.csv").read_bytes())
    part_of = {row["path"]: row["part"] for row in rows}
    assert len(rows) == 90 and {"train", "val", "test"} <= set(part_of.values()) and n < 60
    assert sum(part != "" for part in part_of.values()) == n
    assert {part_of[photos.manifest.photos[i].name] for i in photos.splits.rows("test")} == {""}
    for person in range(30):
        own = {part_of[photo.name] for photo in photos.manifest.photos[3 * person : 3 * person + 3]} - {""}
        assert len(own) <= 1


def test_of_a_sample_that_folds_judge_every_photo_has_a_fold(tmp_path: Path) -> None:
    n = write_parts(tmp_path / "parts.csv", divided(), Sample(81, None, folds=True, over=False), load_config())
    rows = [row for row in read_table((tmp_path / "parts.csv").read_bytes()) if row["part"]]
    assert n == len(rows) == 81 and {row["part"] for row in rows} == {"train"}
    assert {row["fold"] for row in rows} == {"0", "1", "2"}


def test_no_time_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="minutes: 0 is no time"):
        photograft.advise("nowhere", minutes=0)


def test_several_labels_are_refused_in_words(photo_folder: Path, tiny_config: object, tmp_path: Path) -> None:
    names = sorted(path.relative_to(photo_folder).as_posix() for path in photo_folder.rglob("*.jpg"))
    table = tmp_path / "labels.csv"
    lines = [f"{photo_folder / name},{'a;b' if i % 2 else 'a'}" for i, name in enumerate(names)]
    table.write_text("\n".join(["path,label", *lines]), "utf-8")
    config = load_config(None, ["data.labels.separator=;", "input.px=64"], quality="fast")
    with pytest.raises(DataError, match=r"several labels each .* compare the two runs"):
        photograft.advise(table, config=config)


def test_few_photos_are_refused(make_photo_folder: Callable[..., Path], tiny_config: object, tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "사진", classes=("a", "b"), n=6)
    with pytest.raises(DataError, match="12 photos of 2 classes can be used, and advice takes at least 20"):
        photograft.advise(photos, config=load_config(None, ["input.px=64"], quality="fast"))


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder


@pytest.mark.slow
def test_advice_is_measured_printed_and_leaves_nothing_behind(
    photo_folder: Path,
    tiny_config: object,
    tmp_path: Path,
    own_temporary_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    capsys.readouterr()
    assert main(["advise", str(photo_folder), *TINY, "--minutes", "3", "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    Draft202012Validator(load_schema("advise")).validate(found)
    assert found["scenario"]["name"] == "small, similar" and found["photos"]["per_class"] == 20
    assert [each["policy"] for each in found["policies"]] == ["head", "blocks:2"]
    sample = {key: found["sample"][key] for key in ("photos", "judged", "per_class", "by")}
    assert sample == {"photos": 60, "judged": 60, "per_class": None, "by": "folds"}
    assert found["separability"]["kappa"] > 0.9 and found["more_photos"]["n"] in range(24, 37)
    assert found["recommendation"]["policy"] == "head"  # nothing is better than a head that has all photos right
    assert found["recommendation"]["command"].endswith("--quality fast --set model.graft=head")
    assert "Trying blocks:2 on 60 photos" in shown.err
    assert list(work.iterdir()) == [] and list(own_temporary_folder.glob("photograft*")) == []  # torch keeps its own
    planned = photograft.plan(photo_folder, config=load_config(None, ["input.px=64"], quality="fast"))
    assert planned.estimate.n_new == 0  # the train that follows is warm
