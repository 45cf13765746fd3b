from __future__ import annotations

import datetime
import decimal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from photograft.config.data import DataConfig
from photograft.data.sources import list_source
from photograft.data.tables import read_table
from photograft.errors import DataError, MissingExtraError

pa = pytest.importorskip("pyarrow", reason="needs the extra ray: pyarrow is not installed")


def write(file: Path, **columns: Any) -> Path:
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table(columns), file, row_group_size=2)
    return file


def test_cells_are_those_that_json_would_give(tmp_path: Path) -> None:
    table = read_table(
        write(
            tmp_path / "표.parquet",
            path=["a.jpg ", "장미.jpg", None],
            label=pa.array(["x", "y", "x"]).dictionary_encode(),
            n=[1.0, float("nan"), 2.5],
            flag=[True, False, None],
            day=[datetime.date(2026, 1, 2)] * 3,
            price=[decimal.Decimal("1.50")] * 3,
            tags=[["b", "a"], [], None],
            big=[2**60, 0, -1],
        )
    )
    assert table.columns == ("path", "label", "n", "flag", "day", "price", "tags", "big")
    assert [row.line for row in table.rows] == [1, 2, 3]
    assert [tuple(row.cells.values()) for row in table.rows] == [
        ("a.jpg", "x", "1", "true", "2026-01-02", "1.50", ("b", "a"), str(2**60)),
        ("장미.jpg", "y", "", "false", "2026-01-02", "1.50", (), "0"),
        ("", "x", "2.5", "", "2026-01-02", "1.50", "", "-1"),
    ]
    assert table.notes == ()


def test_columns_of_bytes_and_structures_are_passed_over(tmp_path: Path) -> None:
    image = [{"bytes": b"photo", "path": "a.jpg"}] * 2
    table = read_table(write(tmp_path / "t.parquet", image=image, raw=[b"x", b"y"], path=["a.jpg", "b.jpg"], n=[1, 2]))
    assert table.columns == ("path", "n")
    assert table.notes == (
        f"{tmp_path / 't.parquet'}: columns that hold neither text nor numbers are not read: image, raw",
    )


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (pa.large_binary(), [b"x" * 200_000, b"y"]),
        (pa.binary_view(), [b"x" * 200_000, b"y"]),
        (pa.binary(2), [b"xx", b"yy"]),
        (pa.dictionary(pa.int32(), pa.binary()), [b"x", b"y"]),
        (pa.list_(pa.binary()), [[b"x"], []]),
        (pa.list_(pa.struct({"bytes": pa.binary()})), [[{"bytes": b"x"}], []]),
        (pa.large_list(pa.list_(pa.string())), [[["x"]], []]),
        (pa.map_(pa.string(), pa.int8()), [[("x", 1)], []]),
    ],
)
def test_other_columns_without_text_are_passed_over(kind: Any, cells: list[Any], tmp_path: Path) -> None:
    image = pa.array(cells, kind)
    table = read_table(write(tmp_path / "t.parquet", image=image, path=["a.jpg", "b.jpg"]))
    assert [row.cells for row in table.rows] == [{"path": "a.jpg"}, {"path": "b.jpg"}]
    assert table.notes == (f"{tmp_path / 't.parquet'}: columns that hold neither text nor numbers are not read: image",)


def test_all_kinds_of_text_are_read(tmp_path: Path) -> None:
    categories = pa.array(["x", "y"]).dictionary_encode()
    table = read_table(
        write(
            tmp_path / "t.parquet",
            path=pa.array(["a.jpg", "장미.jpg"], pa.string_view()),
            label=pa.array(["x", "y"], pa.large_string()),
            tags=pa.ListArray.from_arrays([0, 1, 2], categories),
            none=pa.nulls(2),
            time=pa.array([0, 90_000], pa.duration("s")),
        )
    )
    assert [tuple(row.cells.values()) for row in table.rows] == [
        ("a.jpg", "x", ("x",), "", "0:00:00"),
        ("장미.jpg", "y", ("y",), "", "1 day, 1:00:00"),
    ]


def test_text_that_is_not_utf8_is_said_with_what_to_do(tmp_path: Path) -> None:
    korean = pa.array(["장미".encode("cp949")]).view(pa.string())
    file = write(tmp_path / "t.parquet", path=["a.jpg"], label=korean)
    with pytest.raises(DataError, match=r"t.parquet cannot be read as Parquet: it holds text that is not UTF-8 .*anew"):
        read_table(file)


def test_a_parquet_table_is_listed_like_the_same_csv(make_photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    import pyarrow.csv

    folder = make_photo_folder(tmp_path / "나의 사진", n=3)
    rows = [
        f"{file.relative_to(folder).as_posix()},{file.parent.name},{n % 4},{'test' if n % 3 else 'train'},{n % 2}"
        for n, file in enumerate(sorted(folder.rglob("*.*")))
    ]
    by_csv = folder / "t.csv"
    by_csv.write_text("\n".join(["path,kind,person,split,size", *rows]), "utf-8")
    by_parquet = folder / "t.PARQUET"
    columns = pyarrow.csv.read_csv(by_csv)
    write(by_parquet, **{name: columns[name] for name in columns.column_names})
    config = DataConfig(labels={"factors": ["kind", "size"], "group": "person", "part": "split"})
    one, other = (list_source(table, config, slices=["person"]) for table in (by_csv, by_parquet))
    assert len(one.files) == 9
    assert (one.files, one.classes, one.root) == (other.files, other.classes, other.root)
    beside = DataConfig(labels=config.labels.model_copy(update={"from_": "t.PARQUET"}))
    assert list_source(folder, beside, slices=["person"]).files == one.files


def test_problems_are_listed_with_the_number_of_the_row(tmp_path: Path) -> None:
    table = write(tmp_path / "t.parquet", path=["a.jpg", None, "c.jpg"], label=["x", "y", None])
    with pytest.raises(DataError, match=r"(?s)t.parquet:2: no path.*t.parquet:3: the label in column 'label' is empty"):
        list_source(table, DataConfig())


def test_a_broken_file_and_a_missing_extra_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "t.parquet"
    file.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"t.parquet cannot be read as Parquet: "):
        read_table(file)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"photograft\[ray\]"):
        read_table(file)
    file.write_bytes(b"")
    with pytest.raises(DataError, match="the file has no bytes"):
        read_table(file)
