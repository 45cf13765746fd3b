from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photograft.config.data import DataConfig
from photograft.contract import Box
from photograft.data.annotations import Annotations
from photograft.data.boxes import attach_boxes, resolve_box, settled_annotation
from photograft.data.listing import Found, Listing
from photograft.errors import DataError
from photograft.values import Annotation, Pixels4, Rect

NAN, INF = float("nan"), float("inf")


def resolve(
    *rects: Rect, size: tuple[int, int] = (100, 50), turn: int = 1, stated: Any = None, **rules: Any
) -> Pixels4:
    box = resolve_box(
        Annotation(rects, **(stated or {})), width=size[0], height=size[1], turn=turn, rules=Box(source="voc", **rules)
    )
    assert box.box is not None, box.problem
    return box.box


def problem(*rects: Rect, turn: int = 1, **stated: Any) -> str:
    annotation = Annotation(rects, source="a.xml, line 7", **stated)
    resolved = resolve_box(annotation, width=100, height=50, turn=turn, rules=Box(source="voc"))
    assert resolved.box is None
    return resolved.problem


def test_a_box_is_cut_off_at_the_edges_and_rounded_outwards() -> None:
    assert resolve(Rect(10.2, 5.9, 20.1, 15)) == (10, 5, 21, 15)
    assert resolve(Rect(-10, -1e9, 1e300, 25)) == (0, 0, 100, 25)
    assert resolve(Rect(0.1, 0.2, 0.3, 0.6), stated={"relative": True}) == (10, 10, 30, 30)
    assert resolve(Rect(0.07, 0, 0.29, 1), stated={"relative": True}) == (7, 0, 29, 50)  # 0.07 * 100 is above 7


def test_a_margin_is_a_share_of_each_side_and_ends_at_the_edge() -> None:
    assert resolve(Rect(20, 20, 40, 30), margin=0.1) == (18, 19, 42, 31)
    assert resolve(Rect(20, 5, 90, 45), margin=0.5) == (0, 0, 100, 50)


def test_the_largest_inside_of_the_photo_and_the_union() -> None:
    small, large, far_out = Rect(5, 5, 15, 15), Rect(30, 10, 60, 40), Rect(90, 0, 10_000, 50)
    assert resolve(small, large, far_out) == (30, 10, 60, 40)
    assert resolve(small, large, choice="union") == (5, 5, 60, 40)
    assert resolve(small, Rect(NAN, 0, 99, 50), choice="union") == (5, 5, 15, 15)


@pytest.mark.parametrize(
    "rect",
    [
        Rect(20, 10, 10, 20),
        Rect(10, 10, 10, 20),
        Rect(NAN, 0, 10, 10),
        Rect(0, 0, INF, 10),
        Rect(100, 0, 120, 50),
        Rect(-20, -20, 1, 20),
        Rect(10, 10, 11.5, 40),
    ],
)
def test_wrong_empty_and_far_boxes_leave_the_photo_whole(rect: Rect) -> None:
    assert "no box lies inside the photo of 100 x 50" in problem(rect)
    assert resolve(rect, Rect(1, 1, 9, 9), choice="union") == (1, 1, 9, 9)


def test_an_annotation_without_boxes_says_so() -> None:
    assert "there is no box" in problem()


def test_the_size_that_the_annotation_states() -> None:
    rect = Rect(20, 10, 60, 30)
    assert resolve(rect, stated={"width": 100, "height": 50}) == (20, 10, 60, 30)
    assert resolve(rect, stated={"width": 200, "height": 100}) == (10, 5, 30, 15)
    assert resolve(rect, stated={"width": 201, "height": 100}) == (9, 5, 30, 15)
    assert resolve(rect, stated={"width": 200, "height": 0}) == (20, 10, 60, 30)
    assert "of a picture of 50 x 100 pixels, the photo has 100 x 50" in problem(rect, width=50, height=100)
    assert "of a picture of 100 x 60 pixels" in problem(rect, width=100, height=60, turn=6)
    # stored as 50 x 100 and turned clockwise to be looked at
    assert resolve(Rect(0, 0, 10, 20), turn=6, stated={"width": 50, "height": 100}) == (80, 0, 100, 10)
    assert resolve(Rect(0, 0, 20, 40), turn=6, stated={"width": 100, "height": 200}) == (80, 0, 100, 10)
    assert resolve(Rect(0, 0, 10, 20), turn=6, stated={"width": 100, "height": 50}) == (0, 0, 10, 20)
    assert resolve(Rect(0, 0, 10, 20), turn=3, stated={"width": 100, "height": 50}) == (0, 0, 10, 20)


def test_a_settled_box_stays_as_it_is() -> None:
    resolved = resolve_box(settled_annotation((3, 4, 20, 30)), width=100, height=50, turn=6, rules=Box(margin=0.5))
    assert resolved.box == (3, 4, 20, 30)


EDGES = st.floats(-200, 400, width=32) | st.sampled_from([NAN, INF, -INF, 1e308, -1e308])
RECTS = st.builds(Rect, EDGES, EDGES, EDGES, EDGES)
SIDES = st.integers(1, 300)


@given(
    st.lists(RECTS, max_size=4),
    SIDES,
    SIDES,
    st.integers(1, 8),
    st.tuples(st.integers(0, 600), st.integers(0, 600)) | st.none(),
    st.sampled_from(["largest", "each", "union"]),
    st.floats(0, 1),
)
@example([Rect(0, 0, 1e-30, 400)], 3, 3, 1, None, "largest", 1.0)
def test_a_box_always_lies_inside_the_photo(
    rects: list[Rect], width: int, height: int, turn: int, stated: tuple[int, int] | None, choice: Any, margin: float
) -> None:
    sizes = {"relative": True} if stated is None else {"width": stated[0], "height": stated[1]}
    annotation = Annotation(tuple(rects), **sizes)  # type: ignore[arg-type]
    rules = Box(source="voc", choice=choice, margin=margin)
    resolved = resolve_box(annotation, width=width, height=height, turn=turn, rules=rules)
    assert (resolved.box is None) == bool(resolved.problem)
    if resolved.box is not None:
        left, top, right, bottom = resolved.box
        assert 0 <= left <= right - 2 <= width - 2
        assert 0 <= top <= bottom - 2 <= height - 2


@given(RECTS, st.floats(0, 1), st.floats(0, 1))
def test_a_box_holds_what_is_annotated_and_grows_with_its_margin(rect: Rect, a: float, b: float) -> None:
    boxes = [
        resolve_box(Annotation((rect,)), width=200, height=150, turn=1, rules=Box(margin=margin)).box
        for margin in (0.0, *sorted((a, b)))
    ]
    if boxes[0] is None:
        assert boxes == [None] * 3
        return
    clipped = max(0.0, rect.left), max(0.0, rect.top), min(200.0, rect.right), min(150.0, rect.bottom)
    inner: tuple[float, ...] = (clipped[0] + 2e-3, clipped[1] + 2e-3, clipped[2] - 2e-3, clipped[3] - 2e-3)
    for outer in boxes:
        assert outer is not None
        assert outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]
        inner = outer


# ------------------------------------------------------------------ rows

CAT, BIG_DOG, NOBODY = Rect(0, 0, 10, 10, "cat"), Rect(20, 0, 60, 40, "dog"), Rect(0, 0, 5, 5)


def listing(*found: Found, classes: tuple[str, ...] = ()) -> Listing:
    return Listing(Path("photos"), found, classes, ("a note",))


def annotations(problems: tuple[str, ...] = (), **by_path: tuple[Rect, ...]) -> Annotations:
    return Annotations(
        {f"{stem}.jpg": Annotation(rects, source=f"{stem}.xml") for stem, rects in by_path.items()}, problems
    )


def config(labels_from: str = "auto", separator: str | None = None, **values: Any) -> DataConfig:
    return DataConfig.model_validate({**values, "labels": {"from": labels_from, "separator": separator}})


def rows(listing: Listing) -> list[tuple[str, str | None, int | None]]:
    return [(f.name, f.label, None if f.annotation is None else len(f.annotation.rects)) for f in listing.files]


def test_each_box_becomes_a_row_that_keeps_the_label_of_its_photo() -> None:
    source = listing(Found("b.jpg", "pets", part="test", group="g"), Found("a.jpg", "pets"), Found("c.jpg", "none"))
    attached = attach_boxes(
        source, annotations(a=(CAT,), b=(CAT, BIG_DOG), c=()), config(boxes="voc", box_choice="each")
    )
    assert rows(attached) == [
        ("a.jpg#1", "pets", 1),
        ("b.jpg#1", "pets", 1),
        ("b.jpg#2", "pets", 1),
        ("c.jpg", "none", None),
    ]
    assert attached.files[2].annotation == Annotation((BIG_DOG,), source="b.xml")
    assert (attached.files[2].part, attached.files[2].group) == ("test", "g")
    assert attached.notes == ("a note", "1 photos have no box and are used whole: c.jpg")


def test_labels_come_from_the_boxes_where_that_is_asked_for() -> None:
    source = listing(*(Found(f"{name}.jpg") for name in "abcd"), classes=("folder",))
    given = annotations(a=(CAT, BIG_DOG), b=(CAT,), c=(NOBODY,))
    each = attach_boxes(source, given, config("voc", boxes="voc", box_choice="each"))
    assert rows(each) == [("a.jpg#1", "cat", 1), ("a.jpg#2", "dog", 1), ("b.jpg#1", "cat", 1)]
    assert each.classes == ("cat", "dog")
    assert each.notes[1] == "2 without a class in the annotations are left out: c.jpg, d.jpg"
    largest = attach_boxes(source, given, config("voc", boxes="voc"))
    assert rows(largest) == [("a.jpg", "dog", 1), ("b.jpg", "cat", 1)]
    assert largest.files[0].annotation == Annotation((BIG_DOG,), source="a.xml")
    uncropped = attach_boxes(source, given, config("voc"))
    assert rows(uncropped) == [("a.jpg", "dog", None), ("b.jpg", "cat", None)]


def test_the_largest_is_judged_by_what_lies_in_the_picture() -> None:
    cut_off = Rect(-1000, 0, 5, 50, "cut off")
    rects = Annotation((cut_off, Rect(10, 10, 40, 40, "inside"), Rect(NAN, 0, 99, 99, "none")), 100, 50)
    attached = attach_boxes(listing(Found("a.jpg")), Annotations({"a.jpg": rects}), config("coco", boxes="coco"))
    assert attached.files[0].label == "inside"


def test_a_union_needs_one_class_or_several_labels() -> None:
    source, given = listing(Found("a.jpg"), Found("b.jpg")), annotations(a=(CAT, BIG_DOG), b=(CAT, CAT))
    attached = attach_boxes(source, given, config("voc", boxes="voc", box_choice="union"))
    assert rows(attached) == [("b.jpg", "cat", 2)]
    assert "a.xml: the boxes of one photo name several classes (cat, dog)" in attached.notes[1]
    several = attach_boxes(source, given, config("voc", boxes="voc", box_choice="union", separator=";"))
    assert [(f.label, f.labels) for f in several.files] == [(None, ("cat", "dog")), (None, ("cat",))]
    assert several.classes == ("cat", "dog")


def test_boxes_of_a_table_are_used_and_label_rows_that_have_none() -> None:
    boxed = Annotation((CAT, BIG_DOG), relative=True, source="labels.csv, line 2")
    source = listing(Found("a.jpg", annotation=boxed), Found("b.jpg", "bird", annotation=boxed), Found("c.jpg", "bird"))
    each = attach_boxes(source, None, config(boxes="csv", box_choice="each"))
    assert [(f.name, f.label) for f in each.files] == [
        ("a.jpg#1", "cat"),
        ("a.jpg#2", "dog"),
        ("b.jpg#1", "bird"),
        ("b.jpg#2", "bird"),
        ("c.jpg", "bird"),
    ]
    assert rows(attach_boxes(source, None, config())) == [
        ("a.jpg", "cat", None),
        ("b.jpg", "bird", None),
        ("c.jpg", "bird", None),
    ]


def test_a_row_of_a_table_whose_boxes_disagree_is_left_out_of_a_union() -> None:
    source = listing(
        Found("a.jpg", annotation=Annotation((CAT, BIG_DOG), source="t.csv, line 2")), Found("b.jpg", "cat")
    )
    attached = attach_boxes(source, None, config(boxes="csv", box_choice="union"))
    assert rows(attached) == [("b.jpg", "cat", None)]
    assert "t.csv, line 2: the boxes of one photo name several classes" in attached.notes[1]


def test_objects_of_a_file_that_has_several_rows_are_counted_on() -> None:
    one = [Found("a.jpg", label, annotation=Annotation((CAT,), source="t.csv")) for label in ("x", "y")]
    attached = attach_boxes(listing(*one), None, config(boxes="csv", box_choice="each"))
    assert rows(attached) == [("a.jpg#1", "x", 1), ("a.jpg#2", "y", 1)]


def test_few_problems_are_notes_and_many_stop_with_all_of_them() -> None:
    source = listing(*(Found(f"{k:03}.jpg", "x") for k in range(50)))
    few = tuple(f"{k}.xml, line 2: xmin is 'a', not a number" for k in range(3))
    attached = attach_boxes(source, annotations(few), config(boxes="voc"))
    assert [note for note in attached.notes if "xmin" in note] == [f"an annotation cannot be used: {p}" for p in few]
    many = tuple(f"{k}.xml, line 2: xmin is 'a', not a number" for k in range(30))
    with pytest.raises(DataError) as caught:
        attach_boxes(source, annotations(many), config(boxes="voc"))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(
        "30 annotations of 50 photos cannot be used, more than the setting data.max_bad_fraction"
    )
    assert lines[1:21] == [f"  {problem}" for problem in many[:20]]
    assert lines[21] == "  ... and 10 more"
    assert attach_boxes(source, annotations(many), config(boxes="voc", max_bad_fraction=0.6)).files


def test_no_class_at_all_is_an_error_that_says_what_to_set() -> None:
    with pytest.raises(DataError, match=r"data\.annotations(.|\n)*a\.txt, line 1: wrong"):
        attach_boxes(listing(Found("a.jpg", "folder")), annotations(("a.txt, line 1: wrong",)), config("yolo"))
