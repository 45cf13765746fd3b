from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from photograft.config.split import SplitConfig
from photograft.data.given_split import check_splits, read_splits
from photograft.errors import DataError
from photograft.values import IntArray, Manifest, Photo, Splits

N = 24
ALONE = np.arange(N)
CONFIG = SplitConfig(folds=2)


def photos(**changes: object) -> Manifest:
    """24 photos of two classes; every third is of class b."""
    rows = [Photo(f"사진/{i:02d}.jpg", "b" if i % 3 == 0 else "a", sha256=f"{i:064x}") for i in range(N)]
    return Manifest(Path("photos"), tuple(replace(photo, **changes) for photo in rows))  # type: ignore[arg-type]


def lines_of(manifest: Manifest, *, folds: bool = False) -> list[str]:
    """The last six photos are the test part; the others have the folds 0 and 1 in turn."""
    rows = []
    for i, photo in enumerate(manifest.photos):
        part = "test" if i >= 18 else "train"
        rows.append(f"{photo.name},{part},{'' if not folds or part == 'test' else i % 2},{photo.sha256}")
    return rows


def read(tmp_path: Path, lines: list[str], manifest: Manifest | None = None, **settings: object) -> Splits:
    path = tmp_path / "splits.csv"
    path.write_text("\n".join(["path,part,fold,sha256", *lines]), "utf-8")
    duplicate_N = settings.pop("duplicate_N", ALONE)
    config = CONFIG.model_copy(update=settings)
    return read_splits(path, manifest or photos(), np.asarray(duplicate_N), config)


def refusal(tmp_path: Path, lines: list[str], manifest: Manifest | None = None) -> str:
    with pytest.raises(DataError) as refused:
        read(tmp_path, lines, manifest)
    return str(refused.value)


def test_parts_and_folds_are_those_of_the_file(tmp_path: Path) -> None:
    splits = read(tmp_path, lines_of(photos(), folds=True))
    assert splits.part_N.tolist() == ["train"] * 18 + ["test"] * 6
    assert splits.fold_N.tolist() == [0, 1] * 9 + [-1] * 6
    assert splits.n_folds == 2 and not splits.leaked_N.any() and splits.repeats_RN.shape == (0, N)


def test_blank_folds_are_drawn_and_an_empty_part_leaves_out(tmp_path: Path) -> None:
    lines = lines_of(photos())
    lines[1] = lines[1].replace(",train,", ", ,")
    lines[2] = lines[2].replace(",train,", ",Validation,")
    splits = read(tmp_path, lines, folds=4)
    assert splits.part_N[:3].tolist() == ["train", "", "val"]
    assert splits.fold_N[1] == -1 and set(splits.fold_N[:18].tolist()) == {-1, 0, 1, 2, 3}
    again = read(tmp_path, lines, folds=4)
    assert np.array_equal(splits.fold_N, again.fold_N)


def test_further_draws_are_read_or_drawn(tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    rows = [f"{p.name},train,{i % 2},{i // 4 % 2}" for i, p in enumerate(photos().photos)]
    path.write_text("\n".join(["path,part,fold,fold_2", *rows]), "utf-8")
    splits = read_splits(path, photos(), ALONE, SplitConfig(repeats=3, folds=5))
    assert splits.fold_N.tolist() == [0, 1] * 12 and splits.repeats_RN[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1] * 3
    assert splits.n_folds == 2 and set(splits.repeats_RN[1].tolist()) == {0, 1}
    assert len(read_splits(path, photos(), ALONE, SplitConfig(folds=5)).repeats_RN) == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949"])
@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_a_file_that_a_spreadsheet_saved_is_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "나눔.csv"
    rows = [line.replace(",", delimiter) for line in lines_of(photos(sha256=""), folds=True)]
    path.write_bytes("\r\n".join([f"Path{delimiter}PART {delimiter}fold{delimiter}sha256", *rows]).encode(encoding))
    assert read_splits(path, photos(), ALONE, CONFIG).fold_N.tolist() == [0, 1] * 9 + [-1] * 6


def test_names_are_found_in_any_unicode_form_and_moved_files_by_content(tmp_path: Path) -> None:
    lines = [unicodedata.normalize("NFD", line) for line in lines_of(photos())]
    assert (read(tmp_path, lines).part_N != "").all()
    moved = [line.replace("사진/", "old place/") for line in lines_of(photos())]
    splits = read(tmp_path, [*moved, "gone.jpg,train,,", f"gone too.jpg,train,,{'f' * 64}"])
    assert splits.part_N.tolist() == ["train"] * 18 + ["test"] * 6
    assert "24 photos were found in splits.csv by content" in splits.statement
    assert "2 rows name no usable photo in splits.csv" in splits.statement


def test_objects_of_a_moved_file_keep_their_parts(tmp_path: Path) -> None:
    rows = tuple(Photo(f"{i // 2}.jpg", "ab"[i % 3 % 2], object=i % 2 + 1, sha256=f"{i // 2:064x}") for i in range(N))
    lines = [
        f"old/{p.name},{'' if p.object == 2 else 'test' if i > 17 else 'train'},,{p.sha256}" for i, p in enumerate(rows)
    ]
    splits = read(tmp_path, lines, Manifest(Path("photos"), rows))
    assert splits.part_N.tolist() == ["train", ""] * 9 + ["test", ""] * 3


def test_every_problem_is_named_with_its_line(tmp_path: Path) -> None:
    lines = lines_of(photos(), folds=True)
    lines[0] = lines[0].replace("train", "trian")
    lines[3] = lines[3].replace("train,1", "train,one")
    lines[4] = lines[4].replace("train,0", "train,")
    lines[5] = lines[5].replace("train,1", "train,99")
    lines[6] = lines[2]
    text = refusal(tmp_path, lines)
    assert "splits.csv:2: part 'trian' is not train, val, test or empty" in text
    assert "splits.csv:5: fold 'one' is not a number from 0 to 19" in text
    assert "splits.csv:6: fold is empty although the photo is in train" in text
    assert "splits.csv:7: fold '99'" in text
    assert "splits.csv:8: 사진/02.jpg is the same photo as in line 4" in text
    assert "no row for 1 of 24 photos: 사진/06.jpg" in text
    assert "6 problems" in text


def test_photos_without_a_row_are_counted_and_ten_are_named(tmp_path: Path) -> None:
    text = refusal(tmp_path, lines_of(photos())[:10])
    assert "no row for 14 of 24 photos: 사진/10.jpg" in text and "사진/19.jpg and 4 more" in text
    assert "none of its rows names a photo of photos" in refusal(tmp_path, ["elsewhere/1.jpg,train,,"])


def test_parts_and_classes_that_are_missing(tmp_path: Path) -> None:
    assert "no photo has the part train" in refusal(tmp_path, [x.replace("train", "val") for x in lines_of(photos())])
    lines = [
        x.replace("test", "train") if p.label == "b" else x
        for x, p in zip(lines_of(photos()), photos().photos, strict=True)
    ]
    assert "no photo of class b has the part test" in refusal(tmp_path, lines)
    with pytest.raises(DataError, match=r"cross-validation.*\n  b: 1 group of 1 photo\n"):
        one_left = [x.replace("train", "") if i % 3 == 0 and i else x for i, x in enumerate(lines_of(photos()))]
        read(tmp_path, one_left)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,fold\na,0\n", "splits.csv:1: there is no column part"),
        ("", "split.file: .*splits.csv cannot be read: the file has no bytes"),
        (None, "split.file: .*splits.csv cannot be read: No such file"),
        ("path,part\n" + "x" * 200_000 + ",train\n", "split.file: .*splits.csv cannot be read: field larger"),
    ],
)
def test_a_file_that_is_no_split(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "splits.csv").write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        read_splits(tmp_path / "splits.csv", photos(), ALONE, CONFIG)


@pytest.mark.parametrize(("folds", "message"), [([0, 2], "no photo in fold 1 of 0 to 2"), ([0, 0], "one fold only")])
def test_folds_with_gaps_are_refused(tmp_path: Path, folds: list[int], message: str) -> None:
    lines = [f"{p.name},train,{folds[i % 2]}," for i, p in enumerate(photos().photos)]
    assert message in refusal(tmp_path, lines)


def leaking() -> tuple[Manifest, IntArray]:
    """Photos 0 and 23 are of one person (train, test); 4 and 5 are duplicates in two folds."""
    rows = [replace(p, group="민수") if i in (0, 23) else p for i, p in enumerate(photos().photos)]
    duplicate_N = ALONE.copy()
    duplicate_N[5] = 4
    return Manifest(Path("photos"), tuple(rows)), duplicate_N


def test_what_the_file_divides_is_reported_as_leak(tmp_path: Path) -> None:
    manifest, duplicate_N = leaking()
    splits = read(tmp_path, lines_of(manifest, folds=True), manifest, duplicate_N=duplicate_N)
    assert np.flatnonzero(splits.leaked_N).tolist() == [0, 4, 5, 23]
    assert splits.part_N[0] == "train" and splits.fold_N[[4, 5]].tolist() == [0, 1]
    assert "1 photo of the test part has a duplicate or another photo of the same group in train" in splits.statement
    assert "2 photos have a duplicate or another photo of the same group in another fold" in splits.statement
    issues = check_splits(manifest, splits, group_column="person")
    assert [(issue.kind, issue.paths, issue.must_fix) for issue in issues] == [
        ("leak", ("사진/00.jpg", "사진/23.jpg"), True),
        ("leak", ("사진/04.jpg", "사진/05.jpg"), True),
    ]
    assert issues[0].message.startswith("2 photos of person 민수 stand both in the test part and outside it: ")
    assert all(path in issues[0].message for path in issues[0].paths)
    assert issues[1].message.startswith("2 duplicates stand in several folds: ")


def test_leaks_over_the_test_part_can_be_dropped(tmp_path: Path) -> None:
    manifest, duplicate_N = leaking()
    splits = read(tmp_path, lines_of(manifest, folds=True), manifest, duplicate_N=duplicate_N, on_leak="drop")
    assert splits.part_N[0] == "" and splits.part_N[23] == "test" and splits.fold_N[0] == -1
    assert np.flatnonzero(splits.leaked_N).tolist() == [4, 5]
    assert splits.statement.endswith("in the given test part was left out of training.")
