from __future__ import annotations

from typing import Any

import pytest

from photograft.data.columns import BoxColumns, Columns
from photograft.data.rows import RowReader, Said
from photograft.data.tables import Cell


def columns(**given: Any) -> Columns:
    fields = {"path": "path", "label": "label", "factors": (), "group": None, "part": None, "box": None, "values": ()}
    return Columns(**{**fields, **given})


def test_what_a_row_says() -> None:
    reader = RowReader(columns(group="who", part="part", values=("camera", "tags")), separator=None)
    cells: dict[str, Cell] = {"path": "a.jpg", "label": "x", "who": "p", "part": "Valid", "tags": ("u", "v")}
    assert reader.path(cells, "t:2") == "a.jpg"
    assert reader.read(cells, "t:2") == Said("t:2", "x", (), "p", "val", (("camera", ""), ("tags", "u, v")))
    assert reader.problems == []


@pytest.mark.parametrize(
    ("cell", "separator", "several", "labels"),
    [
        ("b;a; b", ";", False, ("a", "b")),
        ("b;a", None, True, ("b;a",)),
        (("b", "a", ""), None, True, ("a", "b")),
        (("b;c",), ";", True, ("b;c",)),
    ],
)
def test_several_labels(cell: Cell, separator: str | None, several: bool, labels: tuple[str, ...]) -> None:
    said = RowReader(columns(), separator=separator, several=several).read({"label": cell}, "t:2")
    assert said is not None and (said.label, said.labels) == (None, labels)


@pytest.mark.parametrize("cell", [";; ", "", ()])
def test_no_label_among_several(cell: Cell) -> None:
    reader = RowReader(columns(), separator=";")
    assert reader.read({"label": cell}, "t:2") is None
    assert reader.problems == ["t:2: the label in column 'label' is empty"]


OTHER = "no file's path, but a list or a NUL byte,"


@pytest.mark.parametrize(("path", "what"), [("", "no path"), (("a", "b"), OTHER), ("a\0", OTHER)])
def test_no_path(path: Cell, what: str) -> None:
    reader = RowReader(columns(), separator=None)
    assert reader.path({"path": path}, "t:2") is None
    assert reader.problems == [f"t:2: {what} in column 'path'"]


@pytest.mark.parametrize(
    ("cell", "box"),
    [
        ("1 2 3 4", (1, 2, 3, 4)),
        ("(1.5, -2; 3,4)", (1.5, -2, 3, 4)),
        (("1", "2", "3", "4"), (1, 2, 3, 4)),
        ("", None),
    ],
)
def test_a_box_in_one_cell(cell: Cell, box: tuple[float, ...] | None) -> None:
    reader = RowReader(columns(box=BoxColumns(("box",), is_size=False)), separator=None)
    said = reader.read({"label": "x", "box": cell}, "t:2")
    assert said is not None and said.box == box


@pytest.mark.parametrize("cell", ["1 2 3", "1 2 3 4 5", "1 2 3 x", "1 2 3 inf", "1 2 3 1e999", "3 2 1 4", "1 2 1 4"])
def test_what_is_no_box(cell: str) -> None:
    reader = RowReader(columns(box=BoxColumns(("box",), is_size=False)), separator=None)
    assert reader.read({"label": "x", "box": cell}, "t:2") is None
    assert len(reader.problems) == 1
