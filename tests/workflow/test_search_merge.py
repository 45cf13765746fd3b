"""Several indexes made one: copied, or asked together where they are; both answer as an index of all photos."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import CLASSES, draw_photo_folder
from tests.workflow.indexes import state

from photograft.cli import console
from photograft.errors import ConfigError, IntegrityError, ModelError
from photograft.retrieval.store import read_stored, write_info
from photograft.retrieval.thumbnails import thumbnail_files
from photograft.workflow.search import Match, PhotoIndex, open_index
from photograft.workflow.search_build import add_photos, build_index, remove_photos, update_index
from photograft.workflow.search_merge import merge_indexes
from photograft.workflow.train import TrainedRun

TULIP, SUN, DAISY = CLASSES


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three folders of photos, the same ones in some of them; one file of the last cannot be used."""
    root = tmp_path_factory.mktemp("shops")
    first = draw_photo_folder(root / "가게 하나", classes=CLASSES[:2], n=14)
    second = draw_photo_folder(root / "가게 둘", classes=CLASSES, n=12, seed=3)
    third = draw_photo_folder(root / "나머지", classes=[DAISY], n=9, seed=4)
    for n in range(4):
        shutil.copy(first / TULIP / f"{TULIP} 0{n}.jpg", second / SUN / f"같은 사진 {n}.jpg")
        shutil.copy(first / TULIP / f"{TULIP} 0{n}.jpg", third / DAISY / f"again {n}.jpg")
    (third / DAISY / "못 쓰는.jpg").write_bytes(b"no photo")
    return [first, second, third]


@pytest.fixture(scope="module")
def shards(photos: list[Path], tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An index of each folder; copy them to change them."""
    root = tmp_path_factory.mktemp("shards")
    for n, folder in enumerate(photos):
        build_index(tiny_run.run, [folder], root / f"색인 {n}")
    return [root / f"색인 {n}" for n in range(len(photos))]


@pytest.fixture(scope="module")
def whole(photos: list[Path], tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One index of all folders, which says what is right."""
    index = tmp_path_factory.mktemp("whole") / "모두"
    build_index(tiny_run.run, photos, index)
    return index


@pytest.fixture(scope="module", params=["apart", "copied", "copied from apart"])
def merged(request: pytest.FixtureRequest, shards: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("merged")
    merge_indexes(shards, root / "하나로", apart=request.param != "copied")
    if request.param != "copied from apart":
        return root / "하나로"
    merge_indexes([root / "하나로"], root / "복사")
    return root / "복사"


@pytest.fixture(scope="module")
def both(merged: Path, whole: Path) -> Iterator[tuple[PhotoIndex, PhotoIndex]]:
    with open_index(merged) as one, open_index(whole) as other:
        yield one, other


def told(matches: list[Match]) -> list[dict[str, Any]]:
    """Matches without their ids, which are random."""
    return [{**asdict(match), "id": ""} for match in matches]


def test_answers_are_those_of_one_index(both: tuple[PhotoIndex, PhotoIndex], photos: list[Path]) -> None:
    index, whole = both
    files = [
        photos[0] / TULIP / f"{TULIP} 02.jpg",
        photos[1] / SUN / f"{SUN} 04.png",
        photos[2] / DAISY / "again 1.jpg",
    ]
    for file in files:
        asked = whole.look(file)
        assert told(index.matches(asked, top=200)) == told(whole.matches(asked, top=200))
        assert told(index.copies(asked)) == told(whole.copies(asked))
        for only in ({"label": TULIP}, {"folder": SUN}, {"label": DAISY, "folder": SUN + "/"}, {"folder": "없는"}):
            if only.get("label") == DAISY or "없는" in only.values():
                messages = []
                for each in both:
                    with pytest.raises(ConfigError, match="No photo of the index") as error:
                        each.matches(asked, **only)
                    messages.append(error.value.instead)  # type: ignore[attr-defined]
                assert messages[0] == messages[1]
            else:
                assert told(index.matches(asked, top=200, **only)) == told(whole.matches(asked, top=200, **only))
                assert told(index.copies(asked, **only)) == told(whole.copies(asked, **only))
    assert index.same_class == whole.same_class and index.same_class is not None
    assert (index.n, index.classes) == (whole.n, whole.classes) == (28 + 36 + 9, tuple(sorted(CLASSES)))


def test_a_photo_that_several_hold_is_one_with_all_its_paths(
    both: tuple[PhotoIndex, PhotoIndex], photos: list[Path]
) -> None:
    for index in both:
        first, second = index.query(photos[2] / DAISY / "again 0.jpg", top=2)
        assert first.path == f"{TULIP}/{TULIP} 00.jpg" and first.source == str(photos[0])
        assert first.others == (f"{SUN}/같은 사진 0.jpg", f"{DAISY}/again 0.jpg") and not second.others
        (named,) = index.query(photos[0] / TULIP / f"{TULIP} 00.jpg", top=1, label=SUN)
        assert named.path == f"{SUN}/같은 사진 0.jpg" and named.id == first.id
        jpeg = index.thumbnail(first.id)
        assert jpeg is not None and jpeg.startswith(b"\xff\xd8")


def test_a_copied_index_is_that_of_a_plain_build_and_goes_on(
    shards: list[Path], whole: Path, photos: list[Path], tmp_path: Path
) -> None:
    change = merge_indexes(shards, tmp_path / "한 색인")
    plain = read_stored(whole)
    stored = read_stored(tmp_path / "한 색인")
    np.testing.assert_array_equal(stored.checked_vectors(), plain.checked_vectors())
    assert stored.info.directions == plain.info.directions and stored.info.sources == plain.info.sources
    rows, expected = ([{**asdict(row), "id": "", "thumbnail": ""} for row in each.rows] for each in (stored, plain))
    assert rows == expected and [row.verdict for row in stored.rows][-1] != "ok"
    assert state(tmp_path / "한 색인") == state(whole)
    assert (change.photos, change.files, change.labelled, change.computed) == (73, 81, 81, 0)
    assert [each.path for each in change.rejected] == [f"{DAISY}/못 쓰는.jpg"]
    again = update_index(tmp_path / "한 색인")
    assert (again.unchanged, again.computed, again.removed) == (81, 0, 0)
    assert update_index(whole).same == again.same
    assert len(list(thumbnail_files(tmp_path / "한 색인"))) == 1


def test_an_index_in_shards_is_asked_and_not_changed(shards: list[Path], photos: list[Path], tmp_path: Path) -> None:
    index = tmp_path / "함께"
    merge_indexes(shards, index, apart=True)
    for change in (
        lambda: update_index(index),
        lambda: add_photos(index, photos),
        lambda: remove_photos(index, [DAISY]),
    ):
        with pytest.raises(ModelError, match=r"index in shards.*photograft search merge .* --index DIR"):
            change()
    with pytest.raises(ConfigError, match="is an index in shards; choose another folder"):
        merge_indexes(shards, index)
    assert merge_indexes(shards[:2], index, apart=True).photos == 64  # the same command again replaces it
    with open_index(index) as opened:
        assert opened.n == 64


def test_shards_may_be_moved_with_it_and_must_not_change(
    shards: list[Path], photos: list[Path], tmp_path: Path
) -> None:
    for shard in shards:
        shutil.copytree(shard, tmp_path / "old" / shard.name)
    parts = sorted((tmp_path / "old").iterdir())
    merge_indexes(parts, tmp_path / "old" / "함께", apart=True)
    moved = (tmp_path / "old").rename(tmp_path / "새 자리")
    photo = photos[0] / SUN / f"{SUN} 00.jpg"
    with open_index(moved / "함께") as opened:
        expected = [match.path for match in opened.query(photo)]
    shutil.rmtree(moved / "함께" / "derived")
    with open_index(moved / "함께") as opened:
        assert [match.path for match in opened.query(photo)] == expected
    remove_photos(moved / parts[1].name, [DAISY])
    with pytest.raises(ModelError, match="색인 1 was changed after it became a shard of"):
        open_index(moved / "함께")
    shutil.rmtree(moved / parts[0].name)
    with pytest.raises(IntegrityError, match=r"색인 0, a shard of .* is missing"):
        open_index(moved / "함께")


@pytest.mark.parametrize("kind", ["shards.json", "directions-*.safetensors", "twins-*.safetensors"])
def test_damage_is_reported_by_name(kind: str, shards: list[Path], tmp_path: Path) -> None:
    merge_indexes(shards, tmp_path / "함께", apart=True)
    (file,) = (tmp_path / "함께").glob(kind)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError, match=file.name):
        open_index(tmp_path / "함께")
    if kind != "shards.json":
        file.unlink()
        with pytest.raises(IntegrityError, match=f"{file.name} is missing"):
            open_index(tmp_path / "함께")


def test_what_does_not_fit_together_is_refused(shards: list[Path], photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="was named twice"):
        merge_indexes([shards[0], Path(os.path.relpath(shards[0]))], tmp_path / "x")
    with pytest.raises(ConfigError, match="is one of the indexes"):
        merge_indexes(shards, shards[1])
    with pytest.raises(ModelError, match="there is no such folder"):
        merge_indexes([*shards, tmp_path / "nothing"], tmp_path / "x")
    with pytest.raises(ConfigError, match="holds other files"):
        merge_indexes(shards, photos[0])
    with pytest.raises(ConfigError, match="is an index; choose another folder"):
        merge_indexes(shards[:2], shards[2], apart=True)
    other = Path(shutil.copytree(shards[2], tmp_path / "other"))
    info = read_stored(other).info
    write_info(other, replace(info, network=replace(info.network, views=("whole", "mirrored"))))
    with pytest.raises(ModelError, match=r"made with another network.*build one of them again"):
        merge_indexes([*shards, other], tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_of_a_file_that_one_index_could_not_use_and_another_could_the_later_one_counts(
    tiny_run: TrainedRun, tmp_path: Path
) -> None:
    folder = draw_photo_folder(tmp_path / "사진", classes=[DAISY], n=6)
    photo = sorted((folder / DAISY).iterdir())[0]
    content = photo.read_bytes()
    photo.write_bytes(b"no photo")
    build_index(tiny_run.run, [folder], tmp_path / "before")
    photo.write_bytes(content)
    build_index(tiny_run.run, [folder], tmp_path / "after")
    for apart in (True, False):
        change = merge_indexes([tmp_path / "before", tmp_path / "after"], tmp_path / f"index {apart}", apart=apart)
        assert (change.photos, change.files, change.rejected) == (6, 6, ())
        change = merge_indexes([tmp_path / "after", tmp_path / "before"], tmp_path / f"turned {apart}", apart=apart)
        assert (change.photos, change.files, len(change.rejected)) == (5, 5, 1)
        for name, n in (("index", 6), ("turned", 5)):
            with open_index(tmp_path / f"{name} {apart}") as index:
                assert (index.info.n_rows, index.n, len(index.query(content, top=9))) == (6, n, n)
                assert len(index.copies(index.look(content))) == n - 5


@pytest.mark.parametrize("apart", [True, False])
def test_of_a_file_that_changed_between_indexes_the_later_one_counts(
    apart: bool, tiny_run: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_photo_folder(tmp_path / "사진", classes=CLASSES[:2], n=10)
    build_index(tiny_run.run, [folder], tmp_path / "large")
    edited, kept, moved = (folder / SUN / f"{SUN} {n}" for n in ("03.jpg", "04.png", "05.jpg"))
    stale, old = edited.read_bytes(), moved.read_bytes()
    others = draw_photo_folder(tmp_path / "others", classes=[SUN], n=3, seed=8) / SUN
    edited.write_bytes((others / f"{SUN} 01.jpg").read_bytes())
    moved.write_bytes((others / f"{SUN} 02.jpg").read_bytes())
    (folder / TULIP / "moved.jpg").write_bytes(old)
    build_index(tiny_run.run, [folder], tmp_path / "new")
    build_index(tiny_run.run, [folder], tmp_path / "whole")
    merged = tmp_path / "merged"
    change = merge_indexes([tmp_path / "large", tmp_path / "new"], merged, apart=apart, narrator=console)
    assert "2 files have changed between the indexes: the later one counts." in capsys.readouterr().err
    assert (change.photos, change.files, change.rejected) == (21, 21, ())
    with open_index(merged) as opened, open_index(tmp_path / "whole") as whole:
        assert (opened.info.n_rows, opened.n, opened.classes) == (21, whole.n, whole.classes)
        for asked in (stale, edited.read_bytes(), old, kept.read_bytes()):
            found, expected = opened.query(asked, top=50), whole.query(asked, top=50)
            assert {match.path: match.others for match in found} == {match.path: () for match in expected}
            assert all(opened.thumbnail(match.id) == opened_file(whole, match) for match in found)
            one, other = (index.copies(index.look(asked)) for index in (opened, whole))
            assert [match.path for match in one] == [match.path for match in other]
        assert opened.query(old, top=1)[0].path == f"{TULIP}/moved.jpg"
    if not apart:
        again = update_index(merged)
        assert (again.unchanged, again.changed, again.removed, again.computed) == (21, 0, 0, 0)
    merge_indexes([tmp_path / "new", tmp_path / "large"], tmp_path / "turned", apart=apart)
    with open_index(tmp_path / "turned") as turned:
        assert turned.query(stale, top=1)[0].path == edited.relative_to(folder).as_posix()
        assert len(turned.query(stale, top=50)) == turned.n == 20  # moved.jpg has the content of another file again


def opened_file(index: PhotoIndex, match: Match) -> bytes | None:
    """The thumbnail that an index has of the file of a match."""
    (same,) = (each for each in index.query(Path(match.source, match.path), top=1) if each.path == match.path)
    return index.thumbnail(same.id)


def test_one_source_is_read_in_one_way(tiny_run: TrainedRun, tmp_path: Path) -> None:
    folder = draw_photo_folder(tmp_path / "사진", classes=CLASSES[:2], n=6)
    build_index(tiny_run.run, [folder], tmp_path / "a")
    build_index(tiny_run.run, [folder], tmp_path / "b", labels=False)
    build_index(tiny_run.run, [folder], tmp_path / "c", settings=[f"data.ignore=[{SUN}]"])
    with pytest.raises(ConfigError, match=r"사진 is read with labels by .*a, and without labels by .*b: build one"):
        merge_indexes([tmp_path / "a", tmp_path / "b"], tmp_path / "x")
    with pytest.raises(
        ConfigError, match=r"with labels by .*a, and with labels and `--set data\.ignore=.*c: build one"
    ):
        merge_indexes([tmp_path / "a", tmp_path / "c"], tmp_path / "x", apart=True)
    assert not (tmp_path / "x").exists()
