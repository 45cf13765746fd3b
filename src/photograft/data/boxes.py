"""Annotated rectangles: which one a photo is cropped to, and which row of the listing gets which."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from photograft.contract import Box
from photograft.data.files import printable
from photograft.data.orientation import Rect4, upright_rect
from photograft.errors import DataError
from photograft.values import Annotation, Pixels4, Rect

if TYPE_CHECKING:  # every decoder process imports this file, and needs neither the settings nor the readers
    from photograft.config.data import DataConfig
    from photograft.data.annotations import Annotations
    from photograft.data.listing import Found, Listing


@dataclass(frozen=True, slots=True)
class Boxed:
    """The bytes of a file, and its annotation, whose box is to stand for it."""

    data: bytes
    annotation: Annotation


@dataclass(frozen=True, slots=True)
class Resolved:
    """The rectangle that is used, None for the whole photo; `problem` says why there is none."""

    box: Pixels4 | None
    problem: str = ""


def resolve_box(annotation: Annotation, *, width: int, height: int, turn: int, rules: Box) -> Resolved:
    """The rectangle of an upright photo of `width` x `height` pixels that an annotation asks for.

    `turn` is the EXIF orientation as stored. Rectangles are cut off at the edges of the photo; those that are empty,
    inverted, no numbers, or less than 2 x 2 pixels then are skipped. The one that `rules` choose gets its margin and
    is rounded outwards to whole pixels.
    """
    rects = _in_photo(annotation, width, height, turn)
    if rects is None:
        sizes = f"a picture of {annotation.width} x {annotation.height} pixels, the photo has {width} x {height}"
        return Resolved(None, f"the annotation is of {sizes}")
    inside = [clipped for rect in rects if (clipped := _clip(rect, width, height)) is not None]
    if not inside:
        return Resolved(
            None, f"no box lies inside the photo of {width} x {height} pixels" if rects else "there is no box"
        )
    if rules.choice == "union":
        lefts, tops, rights, bottoms = zip(*inside, strict=True)
        left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    else:
        left, top, right, bottom = max(inside, key=_area)
    margin = 0.0 if annotation.settled else rules.margin
    wider, higher = margin * (right - left), margin * (bottom - top)
    return Resolved(
        (
            max(0, math.floor(left - wider + _SNAP)),
            max(0, math.floor(top - higher + _SNAP)),
            min(width, math.ceil(right + wider - _SNAP)),
            min(height, math.ceil(bottom + higher - _SNAP)),
        )
    )


def settled_annotation(box: Pixels4) -> Annotation:
    """The annotation that leads to a box that a scan found."""
    return Annotation((Rect(*box),), settled=True)


def attach_boxes(listing: Listing, annotations: Annotations | None, config: DataConfig) -> Listing:
    """Give the rows their annotations, and the labels that those name.

    `annotations` are those of files beside the photos; rows may also bring their own from the columns of a table. Each
    box is a row of its own if `data.box_choice` says so. Rows that get no label, where labels come from the
    annotations, are left out. Rows are in order of path and object.

    Raises:
        DataError: if more annotations are wrong than `data.max_bad_fraction` allows, naming them, or if no row is left.
    """
    by_path = annotations.by_path if annotations else {}
    labels_from_boxes = config.labels.from_ in ("voc", "coco", "yolo")
    rows: list[Found] = []
    problems = list(annotations.problems) if annotations else []
    left_out: list[str] = []
    objects: Counter[str] = Counter()
    for found in listing.files:
        annotation = by_path.get(found.path, found.annotation)
        if labels_from_boxes:
            found = replace(found, label=None, labels=())
        if annotation is not None and annotation.rects:
            own = list(_rows(replace(found, annotation=annotation), annotation, config, problems))
        else:
            own = [replace(found, annotation=None)]
        for row in own:
            if row.label is None and not row.labels and (labels_from_boxes or _names_classes(annotation)):
                left_out.append(row.path)
            else:
                objects[row.path] += row.object > 0
                rows.append(replace(row, object=objects[row.path] if row.object else 0))
    _check_problems(problems, len(listing.files), config)
    if listing.files and not rows:
        raise DataError(
            "\n".join(
                [
                    f"no photo in {printable(listing.root)} has an annotation that names a class: set data.annotations "
                    "to the folder or file of the annotations, or data.labels.from to another source of labels.",
                    *(f"  {problem}" for problem in problems),
                ]
            )
        )
    rows.sort(key=lambda row: (row.path, row.object))
    classes = () if labels_from_boxes else listing.classes
    named = {label for row in rows for label in (row.labels or (row.label,)) if label is not None}
    return replace(
        listing,
        files=tuple(rows),
        classes=tuple(sorted({*classes, *named})),
        notes=(*listing.notes, *_notes(rows, annotations, problems, left_out, config)),
    )


def _rows(found: Found, annotation: Annotation, config: DataConfig, problems: list[str]) -> Iterator[Found]:
    """The row, or one for each of its boxes, labelled by the boxes where it has no label yet."""
    keeps_boxes = config.boxes != "none"
    unlabelled = found.label is None and not found.labels
    if config.box_choice == "each" and keeps_boxes:
        for number, rect in enumerate(annotation.rects, start=1):
            row = replace(found, object=number, annotation=replace(annotation, rects=(rect,)))
            yield replace(row, label=rect.label or None) if unlabelled else row
        return
    row = found if keeps_boxes else replace(found, annotation=None)
    if not unlabelled:
        yield row
    elif config.box_choice == "union" and keeps_boxes:
        yield _label_by_union(row, annotation, config.labels.separator, problems)
    else:
        label = max(annotation.rects, key=lambda rect: _visible_area(rect, annotation)).label
        same = tuple(rect for rect in annotation.rects if rect.label == label)  # the crop must show what is named
        yield replace(row, label=label or None, annotation=row.annotation and replace(row.annotation, rects=same))


def _names_classes(annotation: Annotation | None) -> bool:
    return annotation is not None and any(rect.label for rect in annotation.rects)


def _label_by_union(row: Found, annotation: Annotation, separator: str | None, problems: list[str]) -> Found:
    named = tuple(sorted({rect.label for rect in annotation.rects if rect.label}))
    if separator is not None:
        return replace(row, labels=named)
    if len(named) > 1:
        problems.append(
            f"{annotation.source}: the boxes of one photo name several classes ({', '.join(named)}), and "
            "data.box_choice is union; choose each or largest, or set data.labels.separator"
        )
    return replace(row, label=named[0] if len(named) == 1 else None)


def _visible_area(rect: Rect, annotation: Annotation) -> float:
    """Area inside the picture that the annotation states; negative or NaN for rectangles that are none."""
    width = 1 if annotation.relative else annotation.width or math.inf
    height = 1 if annotation.relative else annotation.height or math.inf
    sides = min(rect.right, width) - max(rect.left, 0), min(rect.bottom, height) - max(rect.top, 0)
    return sides[0] * sides[1] if min(sides) > 0 else -1.0


def _check_problems(problems: Sequence[str], n_photos: int, config: DataConfig) -> None:
    if len(problems) <= max(config.max_bad_fraction * n_photos, _ALWAYS_ALLOWED):
        return
    more = [f"  ... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    raise DataError(
        "\n".join(
            [
                f"{len(problems)} annotations of {n_photos} photos cannot be used, more than the setting "
                f"data.max_bad_fraction ({config.max_bad_fraction:g}) allows:",
                *(f"  {problem}" for problem in problems[:_SHOWN]),
                *more,
                "Correct them, or raise data.max_bad_fraction: their photos are then used whole.",
            ]
        )
    )


def _notes(
    rows: Sequence[Found],
    annotations: Annotations | None,
    problems: Sequence[str],
    left_out: Sequence[str],
    config: DataConfig,
) -> Iterator[str]:
    if annotations:
        yield from annotations.notes
    for problem in problems[:_NAMED]:
        yield f"an annotation cannot be used: {problem}"
    if len(problems) > _NAMED:
        yield f"{len(problems) - _NAMED} more annotations cannot be used"
    if left_out:
        yield f"{len(left_out)} without a class in the annotations are left out: {_name(left_out)}"
    whole = [row.path for row in rows if row.annotation is None]
    if whole and config.boxes != "none":
        yield f"{len(whole)} photos have no box and are used whole: {_name(whole)}"


def _name(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(printable(path) for path in paths[:_NAMED]) + more


_ALWAYS_ALLOWED = 3  # problems, however few photos there are
_SHOWN = 20
_NAMED = 5

_MIN_SIDE = 2  # pixels
_SNAP = 1e-3  # pixels; an edge so close to a whole pixel is meant to lie on it (fractions are written in few digits)
_SAME_SHAPE = 0.01  # by which the ratio of the sides may differ where a photo was resized after it was annotated


def _in_photo(annotation: Annotation, width: int, height: int, turn: int) -> list[Rect4] | None:
    """The rectangles in pixels of the upright photo; None where they are of another picture.

    A stated size that is that of the photo as stored means that the annotation does not know of the EXIF orientation.
    Quarter turns show by that; after other turns upright and stored size are the same, and upright is taken.
    """
    rects = [(r.left, r.top, r.right, r.bottom) for r in annotation.rects]
    if annotation.relative:
        return [_scale(rect, width, height) for rect in rects]
    stated = annotation.width, annotation.height
    if min(stated) < 1 or stated == (width, height):
        return rects
    stored = (height, width) if turn >= 5 else (width, height)
    if stated != stored and _same_shape(stated, (width, height)):
        return [_scale(rect, width / stated[0], height / stated[1]) for rect in rects]
    if _same_shape(stated, stored):
        scaled = [_scale(rect, stored[0] / stated[0], stored[1] / stated[1]) for rect in rects]
        return [upright_rect(rect, *stored, turn) for rect in scaled]
    return None


def _scale(rect: Rect4, x: float, y: float) -> Rect4:
    left, top, right, bottom = rect
    return left * x, top * y, right * x, bottom * y


def _same_shape(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return abs(a[0] * b[1] - a[1] * b[0]) <= _SAME_SHAPE * a[1] * b[0]


def _clip(rect: Rect4, width: int, height: int) -> Rect4 | None:
    if not all(map(math.isfinite, rect)):
        return None
    left, top, right, bottom = max(0.0, rect[0]), max(0.0, rect[1]), min(width, rect[2]), min(height, rect[3])
    if min(right - left, bottom - top) < _MIN_SIDE - _SNAP:
        return None
    return left, top, right, bottom


def _area(rect: Rect4) -> float:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])
