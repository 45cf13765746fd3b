from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from photograft.config.data import DataConfig
from photograft.config.labels import LabelsConfig
from photograft.data.files import FolderFiles
from photograft.data.labels import label_by_pattern, label_table
from photograft.data.listing import Found, Listing
from photograft.data.patterns import PathPattern
from photograft.data.tables import parse_table
from photograft.errors import ConfigError, DataError
from photograft.values import Annotation, Rect


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for path in ("a.jpg", "b.jpg", "깊이/c d.png", "e.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    return tmp_path


def read(photos: Path, text: str, *, boxes: Any = "none", slices: tuple[str, ...] = (), **labels: Any) -> Listing:
    config = DataConfig(boxes=boxes, labels=LabelsConfig(**labels))
    return label_table(parse_table(text.encode(), name="t.csv"), FolderFiles(photos), config, slices=slices)


def problems(photos: Path, text: str, **settings: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(photos, text, **settings)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_path_and_label_are_found_by_name(photos: Path) -> None:
    listing = read(photos, "N,Class,File Name,file\n1,rose,x,b.jpg\n2,장미,y,깊이\\c d.png\n")
    assert listing.files == (Found("b.jpg", "rose"), Found("깊이/c d.png", "장미"))
    assert listing.classes == ("rose", "장미")
    assert listing.root == photos and listing.notes == ()


def test_the_only_column_left_is_the_label(photos: Path) -> None:
    listing = read(photos, "id,who,kind,camera\na,p1,rose,c1\nb,p2,daisy,c2\n", group="who", slices=("camera",))
    assert listing.files == (
        Found("a.jpg", "rose", group="p1", values=(("camera", "c1"),)),
        Found("b.jpg", "daisy", group="p2", values=(("camera", "c2"),)),
    )


def test_factors_are_joined_and_kept(photos: Path) -> None:
    listing = read(
        photos, "path,mask,age,label\na.jpg,worn,<30,x\nb.jpg,none,>=60,y\n", factors=("age", "mask"), slices=("age",)
    )
    assert [f.label for f in listing.files] == ["<30 | worn", ">=60 | none"]
    assert listing.files[0].values == (("age", "<30"), ("mask", "worn"))
    assert listing.classes == ("<30 | worn", ">=60 | none")


def test_several_labels(photos: Path) -> None:
    listing = read(photos, "path,labels\na.jpg,b; a ;b\nb.jpg,c\n", separator=";")
    assert [(f.label, f.labels) for f in listing.files] == [(None, ("a", "b")), (None, ("c",))]
    assert listing.classes == ("a", "b", "c")
    rows = [{"path": "a.jpg", "label": ["b", "a"]}, {"path": "b.jpg", "label": "c;d"}]
    assert [f.labels for f in read(photos, "\n".join(map(json.dumps, rows))).files] == [("a", "b"), ("c;d",)]


@pytest.mark.parametrize(
    ("parts", "expected", "words"),
    [
        (("Train", "testing", "validation"), ("train", "test", "val"), ""),
        (("train", "val", "val"), ("train", "test", "test"), "the validation part is the test part"),
        (("train", "train", "train"), (None, None, None), "the only part is 'train'"),
    ],
)
def test_parts(photos: Path, parts: tuple[str, ...], expected: tuple[str | None, ...], words: str) -> None:
    names = ("a.jpg", "b.jpg", "e.jpg")
    text = "path,label,split\n" + "".join(f"{n},x,{p}\n" for n, p in zip(names, parts, strict=True))
    listing = read(photos, text, part="split")
    assert tuple(f.part for f in listing.files) == expected
    assert words in " ".join(listing.notes)
    assert "data.labels.part=split would take" in read(photos, text).notes[0]


def test_parts_without_one_to_train_on(photos: Path) -> None:
    with pytest.raises(DataError, match="none for training"):
        read(photos, "path,label,part\na.jpg,x,val\nb.jpg,y,test\n", part="part")


def test_every_problem_is_named_with_its_line(photos: Path) -> None:
    text = "path,label,part,box\na.jpg,,train,\n,x,test,\nb.jpg,x,dev,1 2 3\ne.jpg,x,val,5 5 1 9\n"
    text += "깊이/c d.png,x,test,nan 1 2 3"
    assert problems(photos, text, part="part", boxes="csv") == [
        "t.csv:2: the label in column 'label' is empty",
        "t.csv:3: no path in column 'path'",
        "t.csv:4: the part 'dev' in column 'part' is not train, val or test",
        "t.csv:4: the box (1, 2, 3) is not four numbers",
        "t.csv:5: the box (5, 5, 1, 9) is empty or inverted",
        "t.csv:6: the box (nan, 1, 2, 3) is not four numbers",
    ]


def test_empty_factors_are_problems(photos: Path) -> None:
    assert problems(photos, "path,x,y\na.jpg,1,\n", factors=("x", "y")) == ["t.csv:2: the factor 'y' is empty"]


def test_a_path_that_comes_twice(photos: Path) -> None:
    text = "path,label,who\na.jpg,x,p\na.jpg,x,p\n./A.JPG,y,p\na.jpg,x,q\nb.jpg,y,p\n"
    assert problems(photos, text, group="who") == [
        "t.csv:4: a.jpg comes twice: 'y' on line 2 is 'x'",
        "t.csv:5: a.jpg has another group or part than on line 2",
    ]
    listing = read(photos, "path,label\na.jpg,x\na.jpg,x\nb.jpg,y\n")
    assert [f.path for f in listing.files] == ["a.jpg", "b.jpg"]
    assert listing.notes == ("t.csv: 1 rows repeat another one",)


@pytest.mark.parametrize(
    ("header", "cells", "rect"),
    [
        ("box", '"1, 2.5 ,30 40"', (1, 2.5, 30, 40)),
        ("box", '"[1,2,3,4]"', (1, 2, 3, 4)),
        ("XMin,yMin,xmax,ymax", "1,2,3,4", (1, 2, 3, 4)),
        ("left,top,right,bottom", "1,2,3,4", (1, 2, 3, 4)),
        ("x1,y1,x2,y2", "1,2,3,4", (1, 2, 3, 4)),
        ("x,y,w,h", "1,2,3,4", (1, 2, 4, 6)),
        ("x,y,width,height", "1,2,3,4", (1, 2, 4, 6)),
    ],
)
def test_columns_of_boxes(photos: Path, header: str, cells: str, rect: tuple[float, ...]) -> None:
    blank = "," * header.count(",")
    listing = read(photos, f"path,kind,{header}\na.jpg,x,{cells}\nb.jpg,y,{blank}\n", boxes="csv")
    assert listing.files[0].annotation == Annotation((Rect(*rect, label="x"),), source="t.csv:2")
    assert listing.files[1] == Found("b.jpg", "y")
    assert read(photos, f"path,kind,{header}\na.jpg,x,{cells}\n").files == (Found("a.jpg", "x"),)


def test_width_and_height_beside_corners_are_those_of_the_picture(photos: Path) -> None:
    text = "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,640,480,x,1,2,3,4\n"
    (found,) = read(photos, text, boxes="csv").files
    assert found.annotation == Annotation((Rect(1, 2, 3, 4, "x"),), 640, 480, source="t.csv:2")
    assert problems(photos, text.replace("640", "-1"), boxes="csv") == [
        "t.csv:2: the size of the picture (-1 x 480) is not two whole numbers"
    ]


@pytest.mark.parametrize(
    ("boxes", "relative"),
    [
        (("0.1 0.2 0.5 1", "0 0 1 1"), (True, True)),
        (("0.1 0.2 0.5 1", "0 0 20 30"), (True, False)),
        (("0 0 1 1", "0 0 20.5 30"), (False, False)),
    ],
)
def test_boxes_in_fractions(photos: Path, boxes: tuple[str, str], relative: tuple[bool, bool]) -> None:
    listing = read(photos, f"path,label,box\na.jpg,x,{boxes[0]}\nb.jpg,x,{boxes[1]}\n", boxes="csv")
    assert tuple(f.annotation.relative for f in listing.files if f.annotation) == relative


def test_several_boxes_of_one_photo(photos: Path) -> None:
    text = "path,label,who,box\na.jpg,x,p,1 2 3 4\na.jpg,x,p,5 6 7 8\nb.jpg,x,p,1 2 3 4\nb.jpg,y,p,5 6 7 8\n"
    a, b = read(photos, text, group="who", boxes="csv").files
    assert (a.label, a.group) == ("x", "p")
    assert a.annotation and a.annotation.rects == (Rect(1, 2, 3, 4, "x"), Rect(5, 6, 7, 8, "x"))
    assert (b.label, b.labels) == (None, ())
    assert b.annotation and [rect.label for rect in b.annotation.rects] == ["x", "y"]


def test_rows_of_one_photo_that_do_not_go_together(photos: Path) -> None:
    text = "path,label,who,box\na.jpg,x,p,1 2 3 4\na.jpg,x,q,5 6 7 8\nb.jpg,x,p,1 2 3 4\nb.jpg,y,p,\n"
    text += "e.jpg,x,p,0.1 0.1 0.5 0.5\ne.jpg,x,p,5 6 7 8\n"
    found = problems(photos, text, group="who", boxes="csv")
    assert [problem.partition(": ")[0] for problem in found] == ["t.csv:3", "t.csv:5", "t.csv:7"]


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("name,label\na,b\n", {}, "no column for the path.*data.labels.path. Its columns are: name, label"),
        ("path,u,v\na,b,c\n", {}, "data.labels.column.*Its columns are: path, u, v"),
        ("path,label\n", {}, "has no rows"),
        ("path,label\na.jpg,x\n", {"boxes": "csv"}, "no columns of boxes.*xmin"),
    ],
)
def test_tables_that_do_not_do(photos: Path, text: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(photos, text, **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"column": "lable"}, r"data.labels.column names 'lable'.*did you mean 'label'\?.*columns are: path, label"),
        ({"path": "file"}, "data.labels.path names 'file'"),
        ({"factors": ("label", "Age")}, "data.labels.factors names 'Age'"),
        ({"group": "person"}, "data.labels.group"),
        ({"part": "part"}, "data.labels.part"),
        ({"slices": ("camera",)}, "report.slices names 'camera'"),
    ],
)
def test_columns_that_are_not_there(photos: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(photos, "path,label\na.jpg,x\n", **settings)


def test_a_column_may_be_named_in_another_unicode_form(photos: Path) -> None:
    name = unicodedata.normalize("NFD", "품종")
    assert read(photos, f"path,note,{name}\na.jpg,x,y\n", column="품종").files == (Found("a.jpg", "y"),)


def test_files_that_are_not_there(photos: Path) -> None:
    listing = read(photos, "path,label\na.jpg,x\nb.jpg,y\nsub\\none.jpg,x\n")
    assert [f.path for f in listing.files] == ["a.jpg", "b.jpg", "sub/none.jpg"]
    assert listing.notes == ("1 files of the table are not there: sub/none.jpg",)
    with pytest.raises(DataError) as caught:
        read(photos, "path,label\na.jpg,x\n" + "".join(f"p/{i}.jpg,x\n" for i in range(9)))
    assert "9 of the 10 files that t.csv names are not there" in str(caught.value)
    assert str(photos / "p" / "2.jpg") in str(caught.value) and "3.jpg" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="there such paths are good")
def test_paths_of_another_system_are_named_as_they_are(photos: Path) -> None:
    with pytest.raises(DataError, match=r"\n  D:/photos/a\.jpg\n.*with a drive mean nothing on this system"):
        read(photos, "path,label\nD:\\photos\\a.jpg,x\n")


def test_rows_may_be_ignored(photos: Path) -> None:
    table = parse_table(b"path,label\na.jpg,x\nb.jpg,y\n", name="t.csv")
    listing = label_table(table, FolderFiles(photos), DataConfig(ignore=("b.*",)))
    assert listing.files == (Found("a.jpg", "x"),)
    assert "1 rows of t.csv match data.ignore" in listing.notes[0]


def test_names_of_a_pattern_stand_beside_the_columns(photos: Path) -> None:
    listing = read(photos, "path,label\n깊이/c d.png,x\na.jpg,y\n", pattern="{folder}/{who} *", group="who")
    assert [(f.path, f.group) for f in listing.files] == [("a.jpg", ""), ("깊이/c d.png", "c")]


def by_pattern(pattern: str, *paths: str, slices: tuple[str, ...] = (), **labels: Any) -> Listing:
    config = DataConfig(labels=LabelsConfig(pattern=pattern, **labels))
    listing = Listing(Path("photos"), tuple(Found(path, path.split("/")[0]) for path in paths), ("rose",))
    return label_by_pattern(listing, config, PathPattern(pattern), slices=slices)


def test_a_pattern_gives_labels() -> None:
    listing = by_pattern(
        "{age}_{gender}_{race}_{date}",
        *("p/26_0_2_2017.jpg", "p/30_1_2_2018.jpg", "p/61_1_2017.jpg"),
        factors=("gender", "race"),
        group="age",
        slices=("date",),
    )
    assert [(f.label, f.group) for f in listing.files] == [("0 | 2", "26"), ("1 | 2", "30")]
    assert listing.files[0].values == (("gender", "0"), ("race", "2"), ("date", "2017"))
    assert listing.classes == ("0 | 2", "1 | 2")
    assert "1 files do not match" in listing.notes[0] and "p/61_1_2017.jpg" in listing.notes[0]


def test_a_pattern_gives_the_group_alone() -> None:
    listing = by_pattern("{person}-*", "rose/p1-a.jpg", "rose/p1-b.jpg", group="person")
    assert [(f.label, f.group) for f in listing.files] == [("rose", "p1")] * 2
    assert listing.classes == ("rose",)


def test_too_many_files_that_do_not_match() -> None:
    with pytest.raises(DataError, match=r"4 of 5 files do not match(.|\n)*p/0\.jpg(.|\n)*data\.ignore"):
        by_pattern("{label}_*", "p/x_1.jpg", *(f"p/{i}.jpg" for i in range(4)))
    with pytest.raises(DataError, match="1 of 1 files"):
        by_pattern("{label}_*", "p/1.jpg")
