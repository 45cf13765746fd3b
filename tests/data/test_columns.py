from __future__ import annotations

from typing import Any

import pytest

from photograft.config.data import DataConfig
from photograft.config.labels import LabelsConfig
from photograft.data.columns import BoxColumns, Columns, choose_columns
from photograft.errors import ConfigError, DataError


def choose(*names: str, boxes: Any = "none", slices: tuple[str, ...] = (), **labels: Any) -> Columns:
    config = DataConfig(boxes=boxes, labels=LabelsConfig(**labels))
    return choose_columns(names, config, slices=slices, where="t.csv")


@pytest.mark.parametrize(
    ("names", "path", "label"),
    [
        (("id", "breed"), "id", "breed"),
        (("label", "image", "path"), "path", "label"),
        (("Image_ID", "TARGET", "other"), "Image_ID", "TARGET"),
        (("파일", "라벨", "x"), "파일", "라벨"),
        (("file", "kind", "xmin", "ymin", "xmax", "ymax", "width", "height"), "file", "kind"),
        (("file", "kind", "box"), "file", "kind"),
    ],
)
def test_columns_found_by_name(names: tuple[str, ...], path: str, label: str) -> None:
    columns = choose(*names)
    assert (columns.path, columns.label, columns.box) == (path, label, None)


def test_settings_come_before_names() -> None:
    columns = choose(
        "path", "file", "label", "kind", "who", "part", path="file", column="kind", group="who", part="part"
    )
    assert columns == Columns("file", "kind", (), "who", "part", None, ())


def test_factors_and_slices_are_values_once() -> None:
    columns = choose("path", "age", "mask", "camera", factors=("mask", "age"), slices=("camera", "age"))
    assert columns.label is None
    assert columns.values == ("mask", "age", "camera")


def test_corners_come_before_width_and_height() -> None:
    columns = choose("path", "label", "x", "y", "width", "height", "X1", "y1", "x2", "y2", boxes="csv")
    assert columns.box == BoxColumns(("X1", "y1", "x2", "y2"), is_size=False, picture=("width", "height"))
    assert choose("path", "label", "x", "y", "width", "height", boxes="csv").box == BoxColumns(
        ("x", "y", "width", "height"), is_size=True
    )


def test_what_is_missing_is_named_with_what_is_there() -> None:
    with pytest.raises(DataError, match=r"t\.csv has no column for the path.*Its columns are: a, b\."):
        choose("a", "b")
    with pytest.raises(DataError, match=r"which column is the label.*factors\. Its columns are: path, a, b\."):
        choose("path", "a", "b")
    with pytest.raises(ConfigError, match=r"data\.labels\.group names 'Persn', .*did you mean 'person'\?"):
        choose("path", "label", "person", group="Persn")
