from __future__ import annotations

import json
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from photograft.data.edits import ACTIONS, COLUMNS, Edits, append_edit, read_edits, undo_edit
from photograft.data.listing import Found
from photograft.errors import ConfigError, DataError
from photograft.values import Annotation, Rect

A, B = "a" * 64, "B" * 64


def journal_of(path: Path, *rows: tuple[str, str, str, str]) -> Path:
    """A journal with rows of action, sha256, object and value, from line 2 on."""
    lines = [f"2026-01-02T03:04:05+00:00,{a},{sha},{number},p.jpg,{value},why" for a, sha, number, value in rows]
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", "utf-8")
    return path


def label(edits: Edits, found: Found, sha256: str = A) -> str | None:
    return edits.apply(found, sha256).found.label


def test_later_rows_win_and_follow_the_content(tmp_path: Path) -> None:
    rows = ("relabel", A, "0", "튤립"), ("relabel", A.upper(), "", "장미"), ("exclude", B, "0", "")
    edits = read_edits(journal_of(tmp_path / "edits.csv", *rows))
    for path in ("a.jpg", "moved/copy of a.jpg"):
        edited = edits.apply(Found(path, "민들레", "train", group="p1"), A)
        assert edited.found == Found(path, "장미", "train", group="p1")
        assert edited.edited == "edits.csv:2: relabel; edits.csv:3: relabel" and not edited.excluded
    assert edits.apply(Found("b.jpg", "x"), B.lower()).excluded == "edits.csv:4: why"
    assert edits.apply(Found("c.jpg", "x"), "c" * 64) == edits.apply(Found("c.jpg", "x"), "")
    assert edits.unused({A}) == 1 and edits.unused({A, B.lower()}) == 0 and edits.unused(set()) == 3


def test_a_typed_label_is_the_class_that_is_stored_decomposed(tmp_path: Path) -> None:
    stored, other = unicodedata.normalize("NFD", "노란 튤립"), "장미"
    edits = read_edits(journal_of(tmp_path / "e.csv", ("relabel", A, "0", "노란 튤립"))).for_classes([other, stored])
    assert label(edits, Found("a.jpg", other)) == stored
    assert edits.apply(Found("a.jpg", labels=(other,)), A).found.labels == (stored,)
    assert edits.apply(Found("a.jpg", stored), A).edited == ""
    assert label(edits.for_classes([stored, "노란 튤립"]), Found("a.jpg", other)) == "노란 튤립"


def test_a_relabel_to_the_same_label_changes_nothing(tmp_path: Path) -> None:
    edits = read_edits(journal_of(tmp_path / "edits.csv", ("relabel", A, "0", "장미")))
    assert edits.apply(Found("a.jpg", "장미"), A).edited == ""


def test_include_takes_an_exclude_back(tmp_path: Path) -> None:
    edits = read_edits(journal_of(tmp_path / "e.csv", ("exclude", A, "0", ""), ("include", A, "0", "")))
    assert edits.apply(Found("a.jpg"), A).excluded == ""


def test_rows_about_one_object_leave_the_others(tmp_path: Path) -> None:
    edits = read_edits(journal_of(tmp_path / "e.csv", ("relabel", A, "2", "x"), ("exclude", A, "3", "")))
    assert [label(edits, Found("a.jpg", "old", object=n)) for n in (1, 2)] == ["old", "x"]
    assert [bool(edits.apply(Found("a.jpg", "old", object=n), A).excluded) for n in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize("value", ['["b", "a,c"]', "b; a,c", "b;a,c;b"])
def test_several_labels(tmp_path: Path, value: str) -> None:
    append_edit(tmp_path / "e.csv", "relabel", A, value=value)
    edits = read_edits(tmp_path / "e.csv")
    assert edits.apply(Found("a.jpg", labels=("old",)), A).found == Found("a.jpg", labels=("b", "a,c"))
    assert label(edits, Found("a.jpg", "old")) == value  # a photo with one label gets the text as it is
    if value.startswith("["):
        assert edits.apply(Found("a.jpg"), A).found.labels == ("b", "a,c")


def test_a_box_replaces_the_annotation(tmp_path: Path) -> None:
    for value, sha256 in (("1,2,30.5,40", A), ("", B)):
        append_edit(tmp_path / "e.csv", "box", sha256, value=value)
    edits, found = (
        read_edits(tmp_path / "e.csv"),
        Found("a.jpg", annotation=Annotation((Rect(0, 0, 1, 1),), 9, 9, True)),
    )
    assert edits.has_boxes
    assert edits.apply(found, A).found.annotation == Annotation((Rect(1, 2, 30.5, 40),), source="e.csv:2")
    assert edits.apply(found, B.lower()).found.annotation is None


def test_undo_and_undo_of_an_undo(tmp_path: Path) -> None:
    journal, found = tmp_path / "e.csv", Found("a.jpg", "old")
    append_edit(journal, "relabel", A, value="one")
    append_edit(journal, "relabel", A, value="two", note="first line\nsecond line")
    append_edit(journal, "box", A, value="0,0,5,5")
    assert [edit.line for edit in read_edits(journal).rows] == [2, 3, 5]
    for line, expected in ((3, "one"), (2, "old"), (6, "two"), (8, "old"), (7, "one")):
        undo_edit(journal, line)
        assert label(read_edits(journal), found) == expected
    assert [edit.in_force for edit in read_edits(journal).rows] == [True, False, True, True, False, False, True, True]
    undo_edit(journal, 5)
    assert not read_edits(journal).has_boxes
    with pytest.raises(ConfigError, match="no row on line 4"):
        undo_edit(journal, 4)


def test_all_problems_are_listed_with_their_lines(tmp_path: Path) -> None:
    rows = [("rename", A, "0", "x"), ("relabel", "zz", "0", "x"), ("relabel", A, "0", ""), ("exclude", A, "-1", "")]
    rows += [("exclude", A, "0", "why"), ("box", A, "0", '"9,0,1,5"'), ("box", A, "0", '"0,0,inf,5"')]
    rows += [("undo", A, "0", "9"), ("undo", A, "0", "77"), ("relabel", A, "0", "sound")]
    with pytest.raises(DataError) as refused:
        read_edits(journal_of(tmp_path / "e.csv", *rows))
    text = str(refused.value)
    assert all(f"e.csv:{line}: " in text for line in range(2, 11)) and "e.csv:11" not in text
    with pytest.raises(DataError, match=r"e\.csv:1: no column action, sha256, object, path, value"):
        read_edits(_write(tmp_path / "e.csv", "a,b\n1,2\n"))
    with pytest.raises(DataError, match=r"data\.edits: .*nowhere\.csv cannot be read: No such file"):
        read_edits(tmp_path / "nowhere.csv")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_journal_that_never_ends_is_refused() -> None:
    with pytest.raises(DataError, match="it is a device, not a regular file"):
        read_edits(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("action", "sha256", "value", "message"),
    [
        ("rename", A, "x", f"none of {', '.join(ACTIONS)}"),
        ("relabel", A, "", "needs the new label"),
        ("relabel", "abc", "x", "64 hexadecimal"),
        ("box", A, "1,2,3", "left,top,right,bottom"),
        ("exclude", A, "blurred", "reasons belong into note"),
    ],
)
def test_no_bad_row_is_written(tmp_path: Path, action: str, sha256: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        append_edit(tmp_path / "e.csv", action, sha256, value=value)
    assert not list(tmp_path.iterdir())


def test_no_cell_is_a_formula_and_every_value_comes_back(tmp_path: Path) -> None:
    journal = tmp_path / "고친 것.csv"
    values = ["=cmd()", "'quoted", '"a", b', json.dumps(["=x", "노란 튤립"], ensure_ascii=False)]
    for value in values:
        append_edit(journal, "relabel", A, path="bad\udcff\nname.jpg", value=value, note="@x")
    assert [edit.value for edit in read_edits(journal).rows] == values
    assert read_edits(journal).rows[0].path == "bad\\xff\\nname.jpg" and read_edits(journal).rows[0].note == "@x"
    assert "'=cmd()" in journal.read_text("utf-8") and ",=" not in journal.read_text("utf-8")


def test_a_journal_that_a_spreadsheet_saved_is_read_and_continued(tmp_path: Path) -> None:
    text = f"\ufeffaction;sha256;value;object;path;note;extra\r\nrelabel;{A};장미;0;p;;7"
    journal = _write(tmp_path / "e.csv", text)
    append_edit(journal, "box", A, value="1,2,3,4", note="a;b")
    first, second = read_edits(journal).rows
    assert (first.value, second.value, second.note, second.line) == ("장미", "1,2,3,4", "a;b", 3)


def test_an_empty_file_becomes_a_journal_and_another_is_left_alone(tmp_path: Path) -> None:
    append_edit(_write(tmp_path / "e.csv", ""), "exclude", A)
    assert [edit.action for edit in read_edits(tmp_path / "e.csv").rows] == ["exclude"]
    other = _write(tmp_path / "labels.csv", "path,label\na.jpg,x\n")
    with pytest.raises(DataError, match="has no columns action, sha256, object, path, value"):
        append_edit(other, "exclude", A)
    assert other.read_text("utf-8") == "path,label\na.jpg,x\n"
    with pytest.raises(DataError, match="cannot be written"):
        append_edit(tmp_path / "no folder" / "e.csv", "exclude", A)


def test_rows_of_two_writers_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: append_edit(tmp_path / "e.csv", "relabel", A, value=f"label {n}"), range(40)))
    assert {edit.value for edit in read_edits(tmp_path / "e.csv").rows} == {f"label {n}" for n in range(40)}
    assert [path.name for path in tmp_path.iterdir()] == ["e.csv"]


def test_a_label_that_was_kept_changes_nothing_and_can_be_undone(tmp_path: Path) -> None:
    journal = tmp_path / "edits.csv"
    append_edit(journal, "relabel", A, value="장미")
    append_edit(journal, "keep", A, value="튤립")
    append_edit(journal, "keep", B)
    edits = read_edits(journal)
    assert label(edits, Found("a.jpg", "튤립")) == "장미"
    assert edits.apply(Found("b.jpg", "x"), B.lower()).edited == "" and edits.unused(set()) == 1
    undo_edit(journal, 3)
    assert [edit.in_force for edit in read_edits(journal).rows] == [True, False, True, True]


def _write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path
