from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photograft.config.data import DataConfig
from photograft.data.annotations import Annotations, read_annotations
from photograft.data.files import FolderFiles, open_files
from photograft.data.voc import read_voc
from photograft.data.yolo import read_yolo
from photograft.errors import ConfigError, DataError
from photograft.values import Annotation, Rect


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read(root: Path, paths: list[str], kind: str, place: Path | None = None) -> Annotations:
    config = DataConfig.model_validate({"boxes": kind, "annotations": place})
    return read_annotations(FolderFiles(root), paths, config)


def voc(*boxes: tuple[object, ...], name: str = "cat", size: tuple[int, int] = (100, 50)) -> str:
    corners = ("xmin", "ymin", "xmax", "ymax")
    objects = [
        f"<object><name>{name}</name>\n<bndbox>"
        + "\n".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(corners, box, strict=True))
        + "</bndbox><part><name>ear</name><bndbox><xmin>1</xmin></bndbox></part></object>\n"
        for box in boxes
    ]
    width, height = size
    return (
        f"<annotation>\n<size><width>{width}</width><height>{height}</height></size>\n{''.join(objects)}</annotation>"
    )


def label_of(annotations: Annotations, path: str) -> str:
    return annotations.by_path[path].rects[0].label


# ------------------------------------------------------------------ Pascal-VOC


def test_voc_counts_from_one_and_knows_the_size() -> None:
    read = read_voc(voc((1, 1, 20, 10), ("3.5", "2e0", "30.25", 40), name=" 개 ").encode(), name="a.xml")
    assert read.problems == []
    assert read.annotation == Annotation(
        (Rect(0, 0, 20, 10, "개"), Rect(2.5, 1, 30.25, 40, "개")), width=100, height=50, source="a.xml"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (voc(("a", 1, 2, 3)), "line 4: xmin is 'a', not a number"),
        (voc((1, 2, "inf", 3)), "line 6: xmax is 'inf', not a number"),
        (voc((1, 2, 3, "nan")), "line 7: ymax is 'nan', not a number"),
        (voc((1, "", 3, 4)), "line 5: <ymin> is missing in <bndbox>"),
        (voc((30, 1, 20, 10)), "line 3: the box 30,1 to 20,10 has no area"),
        ("<annotation><object><name>cat</name></object></annotation>", "line 1: <xmin> is missing"),
    ],
)
def test_a_wrong_box_is_left_out_and_named_by_its_line(content: str, words: str) -> None:
    content = content.replace("</annotation>", voc((1, 1, 5, 5)).removeprefix("<annotation>"))
    read = read_voc(content.encode(), name="x/a.xml")
    assert read.annotation is not None
    assert read.annotation.rects == (Rect(0, 0, 5, 5, "cat"),)
    assert len(read.problems) == 1
    assert read.problems[0].startswith("x/a.xml, ")
    assert words in read.problems[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: not valid XML: no element found"),
        (b"<annotation>\n<object>", "line 2: not valid XML"),
        (b"\x00\xff\xfe", "not valid XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "encoding"),
        (b'<?xml version="1.0" encoding="utf-7"?><annotation/>', "a.xml"),
        (b"<html><body/></html>", "has <annotation> outermost"),
        (b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>', "line 1: a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "document type"),
        (b"<annotation>&unknown;</annotation>", "not valid XML"),
    ],
)
def test_files_that_are_no_voc_are_one_problem(content: bytes, words: str) -> None:
    read = read_voc(content, name="a.xml")
    assert read.annotation is None
    assert len(read.problems) == 1
    assert read.problems[0].startswith("a.xml")
    assert words in read.problems[0]


def test_deep_xml_ends() -> None:
    read = read_voc(b"<annotation>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</annotation>", name="a.xml")
    assert read.annotation == Annotation((), source="a.xml")


@given(st.binary(max_size=60) | st.text(alphabet="<>/annotationbjecdxmiy& \n0123456789", max_size=80).map(str.encode))
def test_any_bytes_give_boxes_or_problems(content: bytes) -> None:
    voc, yolo = read_voc(content, name="a"), read_yolo(content, name="a", classes=())
    assert voc.annotation is not None or voc.problems
    assert yolo.annotation is not None or yolo.problems


@pytest.mark.parametrize(
    ("photo", "file", "root"),
    [
        ("Images/x/a.jpg", "Annotation/x/a", ""),
        ("Images/x/a.jpg", "Annotations/x/a.xml", ""),
        ("x/a.jpg", "Annotation/x/a", "Images"),
        ("a.b.jpg", "annotations/a.b.xml", "photos"),
        ("JPEGImages/a.jpg", "Annotations/a.xml", ""),
        ("VOC2007/JPEGImages/a.jpg", "VOC2007/Annotations/a.xml", ""),
        ("train/x/a.jpg", "train/Annotations/x/a.xml", ""),
        ("train/x/a.jpg", "Annotations/train/x/a.xml", ""),
        ("train/x/a.jpg", "Annotations/a.xml", ""),
        ("x/a.jpg", "x/a.xml", ""),
        ("x/a.jpg", "x/a.jpg.xml", ""),
        ("x y/고양이.jpg", "x y/" + unicodedata.normalize("NFD", "고양이.xml"), ""),
    ],
)
def test_voc_files_are_found_in_the_usual_places(tmp_path: Path, photo: str, file: str, root: str) -> None:
    write(tmp_path, {file: voc((1, 1, 20, 10))})
    (tmp_path / root).mkdir(exist_ok=True)
    found = read(tmp_path / root, [photo], "voc")
    assert found.by_path[photo].rects == (Rect(0, 0, 20, 10, "cat"),)
    assert (found.problems, found.notes) == ((), ())


def test_the_nearer_file_wins_and_one_file_serves_no_two_folders(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"Annotations/x/a.xml": voc((1, 1, 5, 5), name="near"), "Annotations/a.xml": voc((1, 1, 5, 5), name="far")},
    )
    assert label_of(read(tmp_path, ["x/a.jpg"], "voc"), "x/a.jpg") == "near"
    found = read(tmp_path, ["y/a.jpg", "z/a.jpg", "x/a.jpg"], "voc")
    assert found.by_path.keys() == {"x/a.jpg"}
    assert "Annotations/a.xml: it fits photos of several folders (y/a.jpg, z/a.jpg)" in found.problems[0]


def test_annotations_without_a_photo_are_counted(tmp_path: Path) -> None:
    write(tmp_path, {f"Annotation/x/{name}": voc((1, 1, 5, 5)) for name in "abc"})
    found = read(tmp_path, ["Images/x/a.jpg"], "voc")
    assert found.notes == ("2 Pascal-VOC files belong to no photo that is read (Annotation/x/b, Annotation/x/c)",)


@pytest.mark.parametrize("folder", ["boxes", "boxes/x"])
def test_annotations_may_lie_anywhere(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    write(tmp_path, {f"{folder}/a.xml": voc((1, 1, 5, 5))})
    write(tmp_path, {"photos/inside/x/a.xml": voc((1, 1, 5, 5), name="dog")})
    monkeypatch.chdir(tmp_path)
    for place in (Path("boxes"), tmp_path / "boxes"):
        assert label_of(read(tmp_path / "photos", ["x/a.jpg"], "voc", place), "x/a.jpg") == "cat"
    assert label_of(read(tmp_path / "photos", ["x/a.jpg"], "voc", Path("inside")), "x/a.jpg") == "dog"


def test_annotations_may_lie_in_an_archive(tmp_path: Path) -> None:
    content = voc((1, 1, 20, 10)).encode()
    with tarfile.open(tmp_path / "annotation.tar", "w") as archive:
        for name in ("Annotation/x/a", "Annotation/x/b"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    (tmp_path / "photos").mkdir()
    with open_files(tmp_path / "annotation.tar") as files:
        inside = read_annotations(files, ["Images/x/a.jpg"], DataConfig(boxes="voc"))
    assert inside.by_path["Images/x/a.jpg"].rects == (Rect(0, 0, 20, 10, "cat"),)
    config = DataConfig(boxes="voc", annotations=tmp_path / "annotation.tar")
    outside = read_annotations(FolderFiles(tmp_path / "photos"), ["x/a.jpg"], config)
    assert outside.by_path["x/a.jpg"].rects == (Rect(0, 0, 20, 10, "cat"),)


def test_missing_annotations_are_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 1 photos has an annotation.*data\.annotations"):
        read(tmp_path, ["x/a.jpg"], "voc")
    with pytest.raises(ConfigError, match=r"data\.annotations: nowhere does not exist"):
        read(tmp_path, ["x/a.jpg"], "voc", Path("nowhere"))
    write(tmp_path, {"a.xml": voc()})
    with pytest.raises(ConfigError, match="one per photo: name their folder"):
        read(tmp_path, ["x/a.jpg"], "voc", tmp_path / "a.xml")
    with pytest.raises(ConfigError, match="same kind"):
        config = DataConfig.model_validate({"boxes": "voc", "labels": {"from": "coco"}})
        read_annotations(FolderFiles(tmp_path), ["a.jpg"], config)
    assert read(tmp_path, ["a.jpg"], "csv") == Annotations({})


def test_a_large_file_and_an_unreadable_one_are_problems(tmp_path: Path) -> None:
    write(tmp_path, {"a.xml": b"<annotation>" + b" " * 2_000_001, "b.xml": voc((1, 1, 5, 5))})
    found = read(tmp_path, ["a.jpg", "b.jpg"], "voc")
    assert found.problems == ("a.xml: it is larger than the 2 MB that an annotation file may have",)
    assert found.by_path.keys() == {"b.jpg"}


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_names_that_are_no_text_are_found_and_shown(tmp_path: Path) -> None:
    stem = os.fsdecode(b"caf\xe9\n")
    (tmp_path / f"{stem}.xml").write_text(voc((1, 2, 3, "x")))
    found = read(tmp_path, [f"{stem}.jpg"], "voc")
    assert found.problems[0].startswith("caf\\xe9\\n.xml, line 7")


def test_every_dog_has_its_boxes(shared_data: Path) -> None:
    for root in (shared_data / "dogs", shared_data / "dogs" / "Images"):
        paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
        found = read(root, paths, "voc")
        assert (found.problems, found.notes) == ((), ())
        assert len(found.by_path) == 377
        assert sum(len(annotation.rects) > 1 for annotation in found.by_path.values()) == 33


# ------------------------------------------------------------------ COCO


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}, {"id": "b", "file_name": "x/b.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": 7, "bbox": [10, 5.5, 20, 10]},
            {"image_id": 1, "category_id": 7, "bbox": [0, 0, 100, 50], "iscrowd": 1},
        ],
        "categories": [{"id": 7, "name": "고양이", "supercategory": "animal"}],
    } | changes


def test_coco_boxes_and_images_without_any(tmp_path: Path) -> None:
    write(tmp_path, {"annotations/instances.json": json.dumps(coco()), "annotations/other.json": "[1, 2]"})
    found = read(tmp_path, ["a.jpg", "x/b.jpg", "x/c.jpg"], "coco")
    assert found.problems == ()
    assert found.by_path == {
        "a.jpg": Annotation(
            (Rect(10, 5.5, 30, 15.5, "고양이"),), 100, 50, source="annotations/instances.json, images[0]"
        ),
        "x/b.jpg": Annotation((), source="annotations/instances.json, images[1]"),
    }


@pytest.mark.parametrize(
    ("file_name", "paths", "expected"),
    [
        ("a.jpg", ["deep/er/a.jpg"], "deep/er/a.jpg"),
        ("photos/x/a.jpg", ["x/a.jpg", "y/a.jpg"], "x/a.jpg"),
        ("x\\a.jpg", ["train/x/a.jpg", "train/y/a.jpg"], "train/x/a.jpg"),
        ("./a.jpg", ["a.jpg", "x/a.jpg"], "a.jpg"),
        (unicodedata.normalize("NFD", "각.jpg"), ["각.jpg"], "각.jpg"),
    ],
)
def test_coco_photos_are_found_by_path_or_unique_name(
    tmp_path: Path, file_name: str, paths: list[str], expected: str
) -> None:
    write(tmp_path, {"boxes.json": json.dumps(coco(images=[{"id": 1, "file_name": file_name}]))})
    found = read(tmp_path, paths, "coco")
    assert found.problems == ()
    assert found.by_path.keys() == {expected}


def test_each_part_may_have_a_coco_file_of_its_own(tmp_path: Path) -> None:
    for part, name in (("train", "cat"), ("valid", "dog")):
        content = coco(images=[{"id": 1, "file_name": "a.jpg"}], categories=[{"id": 7, "name": name}])
        write(tmp_path, {f"{part}/_annotations.coco.json": json.dumps(content)})
    found = read(tmp_path, ["train/a.jpg", "valid/a.jpg"], "coco")
    assert [label_of(found, path) for path in ("train/a.jpg", "valid/a.jpg")] == ["cat", "dog"]


def test_two_coco_files_on_the_same_photos_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, {f"annotations/{name}.json": json.dumps(coco()) for name in ("one", "two")})
    with pytest.raises(DataError, match=r"one\.json and annotations/two\.json both annotate a\.jpg.*data\.annotations"):
        read(tmp_path, ["a.jpg"], "coco")
    assert read(tmp_path, ["a.jpg"], "coco", tmp_path / "annotations" / "two.json").by_path.keys() == {"a.jpg"}


NO_NUMBER = [None, True, "1", [1], {}, float("nan"), float("inf"), 10**400]


@pytest.mark.parametrize(
    ("part", "item", "words"),
    [
        *(
            ("annotations", {"image_id": 1, "category_id": 7, "bbox": [0, 0, v, 1]}, "annotations[0].bbox: ")
            for v in NO_NUMBER
        ),
        *(
            ("annotations", {"image_id": 1, "category_id": 7, "bbox": v}, "annotations[0].bbox: ")
            for v in [None, 3, [1, 2]]
        ),
        ("annotations", {"image_id": 1, "category_id": 7, "bbox": [5, 5, 0, 3]}, "[5, 5, 0, 3] has no area"),
        ("annotations", {"image_id": 99, "category_id": 7, "bbox": [5, 5, 3, 3]}, "image_id: 99 is the id of no image"),
        (
            "annotations",
            {"image_id": [1], "category_id": 7, "bbox": [5, 5, 3, 3]},
            "annotations[0].image_id: [1] is no id",
        ),
        (
            "annotations",
            {"image_id": 1, "category_id": 8, "bbox": [5, 5, 3, 3]},
            "category_id: 8 is the id of no category",
        ),
        ("annotations", [], "annotations[0]: it is no object"),
        ("images", {"id": 1}, "images[0].file_name: it is missing"),
        ("images", {"id": None, "file_name": "a.jpg"}, "images[0].id: it is missing"),
        ("images", {"id": 2, "file_name": {"a": 1}}, 'images[0].file_name: {"a": 1} is no name'),
        ("categories", {"id": 7}, "categories[0].name: it is missing"),
    ],
)
def test_wrong_values_are_named_by_their_place(tmp_path: Path, part: str, item: object, words: str) -> None:
    write(tmp_path, {"boxes.json": json.dumps(coco(**{part: [item]}))})
    found = read(tmp_path, ["a.jpg", "x/b.jpg"], "coco")
    assert any(problem.startswith("boxes.json, ") and words in problem for problem in found.problems), found.problems


def test_lists_that_are_none_and_names_that_fit_several_photos(tmp_path: Path) -> None:
    write(tmp_path, {"boxes.json": json.dumps(coco(annotations={"a": 1}))})
    found = read(tmp_path, ["y/a.jpg", "z/a.jpg"], "coco")
    assert found.problems == (
        "boxes.json, annotations: it is not a list",
        'boxes.json, images[0].file_name: "a.jpg" fits 2 photos (y/a.jpg, z/a.jpg)',
    )
    assert found.notes == ("1 images of the COCO file belong to no photo that is read (x/b.jpg)",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"images": [],\n "annotations"', "line 2, column 15: not valid JSON"),
        ("[" * 100_000, "nested too deep"),
        ("1" * 5000, "too many digits"),
        (b"\xff{}", "not UTF-8"),
        ("{}", "it has no `images`"),
        ("", "not valid JSON"),
    ],
)
def test_files_that_are_no_coco_stop_with_a_reason(tmp_path: Path, content: str | bytes, words: str) -> None:
    write(tmp_path, {"boxes.json": content})
    with pytest.raises(DataError, match=words):
        read(tmp_path, ["a.jpg"], "coco", tmp_path / "boxes.json")
    with pytest.raises(DataError, match=r"no COCO file .* was found.*data\.annotations"):
        read(tmp_path, ["a.jpg"], "coco")


KEYS = ["id", "file_name", "width", "height", "image_id", "category_id", "bbox", "iscrowd", "name"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a.jpg", "x", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@given(st.fixed_dictionaries(dict.fromkeys(("images", "annotations", "categories"), JSON)))
def test_any_json_gives_boxes_or_problems(tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]) -> None:
    root = tmp_path_factory.mktemp("coco")
    write(root, {"boxes.json": json.dumps(document)})
    found = read(root, ["a.jpg"], "coco")
    assert all(problem.startswith("boxes.json, ") for problem in found.problems)


# ------------------------------------------------------------------ YOLO


def test_yolo_boxes_outlines_and_confidences() -> None:
    text = "\ufeff0 0.5 0.5 0.2 0.4\n\n1 0.25 0.25 0.5 0.5 0.9\n1.0 0.1 0.2 0.5 0.9 0.3 0.1\n"
    read = read_yolo(text.encode(), name="a.txt", classes=("cat", "dog"))
    assert read.problems == []
    assert read.annotation is not None
    assert [rect.label for rect in read.annotation.rects] == ["cat", "dog", "dog"]
    corners = [value for r in read.annotation.rects for value in (r.left, r.top, r.right, r.bottom)]
    assert corners == pytest.approx([0.4, 0.3, 0.6, 0.7, 0, 0, 0.5, 0.5, 0.1, 0.1, 0.5, 0.9])
    assert (read.annotation.relative, read.annotation.source) == (True, "a.txt")
    assert read_yolo(b"", name="a.txt", classes=()).annotation == Annotation((), relative=True, source="a.txt")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.5 0.5 0.2", "4 numbers"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "8 numbers"),
        ("cat 0.5 0.5 0.2 0.4", "the class is 'cat'"),
        ("-1 0.5 0.5 0.2 0.4", "the class is '-1'"),
        ("2 0.5 0.5 0.2 0.4", "class 2, of which there is no name: 2 classes"),
        ("0 120 40 30 20", "120 is not between 0 and 1"),
        ("0 0.5 nan 0.2 0.4", "nan is not between 0 and 1"),
        ("0 0.5 half 0.2 0.4", "'half' is not a number"),
        ("0 0.5 0.5 0 0.4", "no area"),
        ("0 0.1 0.1 0.1 0.1 0.1 0.1", "no area"),
        ("1" * 5000 + " 0.5 0.5 0.2 0.4", "the class is"),
    ],
)
def test_a_wrong_yolo_line_is_left_out_and_named(line: str, words: str) -> None:
    read = read_yolo(f"1 0.5 0.5 0.2 0.2\n{line}\n".encode(), name="a.txt", classes=("cat", "dog"))
    assert read.annotation is not None
    assert len(read.annotation.rects) == 1
    assert len(read.problems) == 1
    assert read.problems[0].startswith("a.txt, line 2: ")
    assert words in read.problems[0]


def test_bytes_that_are_no_text_are_a_problem() -> None:
    assert read_yolo(b"\xff\xfe0", name="a.txt", classes=()).problems == ["a.txt: it is not text (byte 0)"]


@pytest.mark.parametrize(
    ("photo", "file"),
    [
        ("images/a.jpg", "labels/a.txt"),
        ("images/train/a.jpg", "labels/train/a.txt"),
        ("train/images/a.jpg", "train/labels/a.txt"),
        ("x/a.jpg", "x/a.txt"),
    ],
)
@pytest.mark.parametrize(
    ("names_file", "names"),
    [
        ("data.yaml", "train: ../x\nnames: [no, cat]\n"),
        ("dataset.yaml", "names:\n  1: cat\n  0: dog\n"),
        ("classes.txt", "dog\ncat\n"),
        ("../data.yaml", "names: ['dog', 'cat']\n"),
    ],
)
def test_yolo_files_and_names_are_found(tmp_path: Path, photo: str, file: str, names_file: str, names: str) -> None:
    root = tmp_path / "set"
    write(root, {file: "1 0.5 0.5 1 1\n", names_file: names})
    found = read(root, [photo], "yolo")
    assert found.problems == ()
    assert label_of(found, photo) == "cat"


def test_names_of_classes_are_kept_as_they_are_written(tmp_path: Path) -> None:
    write(tmp_path, {"labels/a.txt": "0 .5 .5 1 1", "labels/b.txt": "1 .5 .5 1 1", "images/b.jpg": b""})
    assert label_of(read(tmp_path, ["images/a.jpg"], "yolo"), "images/a.jpg") == "class 0"
    write(tmp_path, {"data.yaml": "names: {0: yes, 1: 007}"})
    found = read(tmp_path, ["images/a.jpg", "images/b.jpg"], "yolo")
    assert [label_of(found, f"images/{stem}.jpg") for stem in "ab"] == ["yes", "007"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: [a, b\n", r"data\.yaml, line \d+: not valid YAML"),
        ("names: 3", "`names` must be a list"),
        ("names: {a: b}", "`names` must be a list"),
        ("names: [[a]]", "`names` must be a list"),
        ("names: !!python/object/apply:os.system ls", "`names` must be a list"),
        ("[" * 3000, "not valid YAML"),
        ("names:\n" + "  - x\n" * 200_000, "larger than the 1 MB"),
    ],
)
def test_a_names_file_that_cannot_be_used_stops_with_a_reason(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, {"labels/a.txt": "0 .5 .5 1 1", "data.yaml": text})
    with pytest.raises(DataError, match=words):
        read(tmp_path, ["images/a.jpg"], "yolo")
