from __future__ import annotations

import json
from pathlib import Path

import pytest

from photograft.data.tables import MAX_CELL, Cell, Table, parse_table, read_table
from photograft.errors import DataError


def parse(text: str | bytes) -> Table:
    return parse_table(text.encode() if isinstance(text, str) else text, name="표.csv")


def cells(table: Table) -> list[tuple[int, list[Cell]]]:
    return [(row.line, list(row.cells.values())) for row in table.rows]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_header_tells_the_separator(separator: str, newline: str) -> None:
    text = newline.join((f" path {separator}label", f"a b.jpg{separator} rose ", f'"x,;\ty.jpg"{separator}장미', ""))
    table = parse(text)
    assert table.columns == ("path", "label")
    assert cells(table) == [(2, ["a b.jpg", "rose"]), (3, ["x,;\ty.jpg", "장미"])]
    assert table.notes == ()


def test_lines_are_those_of_the_file() -> None:
    table = parse('\n\npath,note\n\na.jpg,"two\nlines, and ""quotes"""\n,\nb.jpg,x\n')
    assert cells(table) == [(5, ["a.jpg", 'two\nlines, and "quotes"']), (8, ["b.jpg", "x"])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949"])
def test_encodings(encoding: str) -> None:
    content = ("\ufeff" if encoding == "utf-16-le" else "") + "경로,분류\n사진.jpg,강아지\n"
    table = parse(content.encode(encoding))
    assert table.columns == ("경로", "분류")
    assert cells(table) == [(2, ["사진.jpg", "강아지"])]
    assert len(table.notes) == (encoding == "cp949")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"PK\x03\x04 xlsx", "save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0 xls", "save the sheet as CSV"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is no text"),
        (b"path,label\na.jpg,caf\xe9\n", "표.csv:2: the text is neither UTF-8 nor cp949"),
        (b"\xff\xfea", "begins like UTF-16"),
    ],
)
def test_files_of_a_wrong_kind(content: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        parse(content)
    assert words in str(caught.value)


def test_all_problems_come_at_once_with_their_lines() -> None:
    rows = "".join(f"{i}.jpg\n" for i in range(25))
    with pytest.raises(DataError) as caught:
        parse("path,label,path\na.jpg,rose,x\nb.jpg,rose,x,y,z\n" + rows)
    lines = str(caught.value).splitlines()
    assert lines[0] == "The table 표.csv has 27 problems:"
    assert lines[1] == "  표.csv:1: columns with the same name: 'path'"
    assert lines[2] == "  표.csv:3: 5 cells, and the header has 3"
    assert lines[-1] == "  ... and 7 more" and len(lines) == 22


def test_separators_that_a_spreadsheet_leaves_and_columns_without_a_name() -> None:
    table = parse(",path,label,,\n0,a.jpg,rose,,\n1,b.jpg,daisy\n")
    assert table.columns == ("path", "label")
    assert cells(table) == [(2, ["a.jpg", "rose"]), (3, ["b.jpg", "daisy"])]
    assert table.notes == ("표.csv: columns without a name are not read: number 1",)


@pytest.mark.parametrize("text", ['path,label\na.jpg,"rose\nb.jpg,daisy\n', 'path,label\n"a"b.jpg,rose\n'])
def test_quotes_that_do_not_close(text: str) -> None:
    with pytest.raises(DataError, match=r"표\.csv:2: the quotes from here on"):
        parse(text)


def test_a_cell_has_a_limit() -> None:
    assert len(parse(f"path\n{'x' * MAX_CELL}\n").rows) == 1
    for length in (MAX_CELL + 1, 200_000):
        with pytest.raises(DataError, match=r"표\.csv:2: .*cell .*is longer than 1"):
            parse(f"path\n{'x' * length}\n")


ROWS = [
    {"path": "a.jpg", "label": 1.0, "tags": ["x", 2, None], "ok": True},
    {"path": " b.jpg ", "label": None, "score": 0.25, "n": 10**20},
]
EXPECTED = [
    {"path": "a.jpg", "label": "1", "tags": ("x", "2", ""), "ok": "true"},
    {"path": "b.jpg", "label": "", "score": "0.25", "n": str(10**20)},
]


@pytest.mark.parametrize("form", ["lines", "list", "pretty"])
def test_json(form: str) -> None:
    text = (
        "\n\n".join(map(json.dumps, ROWS))
        if form == "lines"
        else json.dumps(ROWS, indent=2 if form == "pretty" else None)
    )
    table = parse(text)
    assert [row.cells for row in table.rows] == EXPECTED
    assert table.columns == ("path", "label", "tags", "ok", "score", "n")
    assert [row.line for row in table.rows] == {"lines": [1, 3], "list": [1, 1], "pretty": [2, 12]}[form]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"path": "a"}\n{"path": }\n[1]\n{"path": {"x": 1}}\n{"p": [[1]]}',
            ["2: no JSON", "3: not", "4: the", "5: the"],
        ),
        ('[{"path": "a"},\n 5,\n {"path": {}}]', ["2: not an object", "3: the value of 'path' is nested"]),
        ('[{"path": "a"},\n {"path"', ["2: no JSON"]),
        ('[{"path": "a"}\n', ["2: the list does not end"]),
        ("[" * 100_000, ["1: no JSON"]),
    ],
)
def test_problems_of_json(text: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        parse(text)
    for word in words:
        assert f"표.csv:{word}" in str(caught.value)


def test_one_json_object_is_still_a_row_where_it_can_be() -> None:
    assert len(parse('{"path": "a.jpg", "label": "x"}').rows) == 1


@pytest.mark.parametrize("indent", [None, 1])
def test_a_coco_file_is_no_table(indent: int | None) -> None:
    coco = {"images": [{"id": 1}], "annotations": [], "categories": []}
    with pytest.raises(DataError, match=r"COCO file(.|\n)*data\.labels\.from=coco"):
        parse(json.dumps(coco, indent=indent))


def test_a_table_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "나의 표.csv"
    path.write_text("path,label\na.jpg,rose\n", "utf-8")
    assert read_table(path).name == str(path)
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        read_table(tmp_path / "none.csv")
    with path.open("wb") as file:
        file.truncate(600_000_000)
    with pytest.raises(DataError, match="larger than the 500 MB"):
        read_table(path)
