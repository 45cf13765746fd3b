"""Which column of a table, or which name of a pattern, holds what."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from photograft.config.data import DataConfig
from photograft.errors import ConfigError, DataError

PATH_NAMES = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_name", "img"),
    *("img_path", "photo", "photo_path", "picture", "image_id", "id", "파일", "파일명", "경로", "사진"),
)
"""Names, in lower case, that a path's column is found by; the first that is there counts."""

LABEL_NAMES = (
    *("label", "labels", "class", "class_name", "category", "breed", "species", "target", "tag", "tags", "y"),
    *("라벨", "레이블", "클래스", "분류"),
)
PART_COLUMN_NAMES = ("part", "split", "subset", "partition")

_BOX_FORMS = (
    (("box",), False),
    (("xmin", "ymin", "xmax", "ymax"), False),
    (("left", "top", "right", "bottom"), False),
    (("x1", "y1", "x2", "y2"), False),
    (("x", "y", "width", "height"), True),
    (("x", "y", "w", "h"), True),
)
BOX_HELP = (
    "one column `box` with left, top, right and bottom; or xmin, ymin, xmax, ymax; or left, top, right, bottom; "
    "or x1, y1, x2, y2; or x, y, width, height"
)


@dataclass(frozen=True)
class BoxColumns:
    """The one column or the four of a box; if `is_size` the last two are width and height, not right and bottom.

    `picture` are the columns of the size of the picture that the boxes were drawn on.
    """

    names: tuple[str, ...]
    is_size: bool
    picture: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """What each column is for; `values` are kept by name for the report."""

    path: str | None
    label: str | None
    factors: tuple[str, ...]
    group: str | None
    part: str | None
    box: BoxColumns | None
    values: tuple[str, ...]


def choose_columns(
    names: Sequence[str],
    config: DataConfig,
    *,
    slices: Sequence[str],
    where: str,
    needs_path: bool = True,
    needs_label: bool = True,
) -> Columns:
    """Choose by the settings data.labels, else by name; the label is else the only column that is left.

    Raises:
        ConfigError: a setting names a column that is not there.
        DataError: there is no column for the path, the label or the boxes.
    """
    labels = config.labels
    path = None
    if needs_path:
        path = _named(labels.path, "data.labels.path", names, where) or _first(PATH_NAMES, names)
        if path is None:
            raise DataError(
                f"{where} has no column for the path of the photo: name it with data.labels.path. {_list(names)}"
            )
    factors = tuple(require_column(name, "data.labels.factors", names, where) for name in labels.factors)
    group = _named(labels.group, "data.labels.group", names, where)
    part = _named(labels.part, "data.labels.part", names, where)
    values = tuple(require_column(name, "report.slices", names, where) for name in slices)
    box = _find_box(names)
    if config.boxes == "csv" and box is None and needs_path:
        raise DataError(f"{where} has no columns of boxes, which data.boxes=csv asks for: {BOX_HELP}. {_list(names)}")
    label = None
    if not factors and needs_label:
        taken = {path, group, part, *values, *((*box.names, *box.picture) if box else ())}
        label = _named(labels.column, "data.labels.column", names, where) or _find_label(
            [name for name in names if name not in taken], names, where
        )
    return Columns(
        path=path,
        label=label,
        factors=factors,
        group=group,
        part=part,
        box=box if config.boxes == "csv" else None,
        values=tuple(dict.fromkeys((*factors, *values))),
    )


def require_column(name: str, setting: str, names: Sequence[str], where: str) -> str:
    """The column of that name, whatever its Unicode form; raises ConfigError with those that are there."""
    for column in names:
        if unicodedata.normalize("NFC", column) == unicodedata.normalize("NFC", name):
            return column
    raise ConfigError(f"{setting} names {name!r}, which {where} does not have{suggest(name, names)}. {_list(names)}")


def suggest(name: str, known: Iterable[str]) -> str:
    """A question that names what was probably meant, or nothing."""
    by_form = {unicodedata.normalize("NFC", each).casefold(): each for each in known}
    close = difflib.get_close_matches(unicodedata.normalize("NFC", name).casefold(), by_form, n=1, cutoff=0.6)
    return f" (did you mean {by_form[close[0]]!r}?)" if close else ""


def is_label_name(name: str) -> bool:
    """Whether a column of this name is taken for the label."""
    return unicodedata.normalize("NFC", name).casefold() in LABEL_NAMES


def _named(name: str | None, setting: str, names: Sequence[str], where: str) -> str | None:
    return None if name is None else require_column(name, setting, names, where)


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    by_form = {unicodedata.normalize("NFC", name).casefold(): name for name in reversed(names)}
    return next((by_form[name] for name in wanted if name in by_form), None)


def _find_label(left: Sequence[str], names: Sequence[str], where: str) -> str:
    found = _first(LABEL_NAMES, left)
    if found is None and len(left) == 1:
        return left[0]
    if found is None:
        raise DataError(
            f"{where} does not say which column is the label: name it with data.labels.column, or several with "
            f"data.labels.factors. {_list(names)}"
        )
    return found


def _find_box(names: Sequence[str]) -> BoxColumns | None:
    by_form = {name.casefold(): name for name in reversed(names)}
    for form, is_size in _BOX_FORMS:
        if all(name in by_form for name in form):
            size = [] if is_size else [by_form[name] for name in ("width", "height") if name in by_form]
            return BoxColumns(tuple(by_form[name] for name in form), is_size, tuple(size) if len(size) == 2 else ())
    return None


def _list(names: Sequence[str]) -> str:
    return f"Its columns are: {', '.join(names) or 'none'}."
