"""Annotation files to rectangles per photo: Pascal-VOC XML, COCO JSON and YOLO text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from photograft.config.data import DataConfig
from photograft.data.annotation_files import AnnotationProblem, Place, find_files, open_place
from photograft.data.coco import read_coco
from photograft.data.files import PhotoFiles, printable
from photograft.data.voc import read_voc
from photograft.data.yolo import LABEL_FOLDERS, read_class_names, read_yolo
from photograft.errors import ConfigError, DataError
from photograft.values import Annotation


@dataclass(frozen=True)
class Annotations:
    """What the annotation files say: rectangles by the path of the photo, what is wrong with them, and sentences."""

    by_path: dict[str, Annotation]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_annotations(files: PhotoFiles, paths: Sequence[str], config: DataConfig) -> Annotations:
    """Read the annotations of the photos `paths`, of the kind that data.boxes or data.labels.from names.

    They are read from data.annotations, or from where they usually lie beside the photos. What is wrong in them is
    listed, and no reason to stop.

    Raises:
        ConfigError: the settings name two kinds, or a place that does not exist.
        DataError: there is no annotation at all, or the one file that holds them all cannot be read.
    """
    kinds = {kind for kind in (config.boxes, config.labels.from_) if kind in ("voc", "coco", "yolo")}
    if not kinds:
        return Annotations({})
    if len(kinds) > 1:
        raise ConfigError(
            f"data.boxes is {config.boxes} and data.labels.from is {config.labels.from_}: set both to the same kind of "
            "annotation."
        )
    (kind,) = kinds
    with open_place(files, config.annotations) as place:
        if kind == "coco":
            coco = read_coco(place, paths)
            return Annotations(coco.by_path, tuple(coco.problems), _note_unused(coco.unused, "images of the COCO file"))
        if place.only:
            shown = place.show(place.only)
            raise ConfigError(
                f"data.annotations: {shown} is a file; {_NAMES[kind]} are one per photo: name their folder."
            )
        return _read_each(place, paths, kind)


_NAMES = {"voc": "Pascal-VOC files", "yolo": "YOLO files"}
_LIMIT_MB = 2


def _read_each(place: Place, paths: Sequence[str], kind: str) -> Annotations:
    folders, endings = (("annotation", "annotations"), (".xml", "")) if kind == "voc" else (LABEL_FOLDERS, (".txt",))
    found = find_files(place, paths, folders=folders, endings=endings)
    if paths and not found.by_path and not found.problems:
        where = f"in {printable(place.files.root)}" if place.is_given else f"beside the photos ({', '.join(folders)})"
        raise DataError(
            f"none of the {len(paths)} photos has an annotation: no {_NAMES[kind]} with their names were found "
            f"{where}; name the folder by the setting data.annotations."
        )
    read = read_voc
    if kind == "yolo":
        label_folders = sorted({file.rpartition("/")[0] for file in found.by_path.values()})
        read = partial(read_yolo, classes=read_class_names(place, label_folders))
    by_path: dict[str, Annotation] = {}
    problems = list(found.problems)
    for path, file in sorted(found.by_path.items(), key=lambda item: place.files.position(item[1])):
        try:
            of_file = read(place.read(file, max_mb=_LIMIT_MB), name=place.show(file))
        except AnnotationProblem as problem:
            problems.append(str(problem))
            continue
        problems.extend(of_file.problems)
        if of_file.annotation is not None:
            by_path[path] = of_file.annotation
    return Annotations(by_path, tuple(problems), _note_unused(found.unused, _NAMES[kind]))


def _note_unused(unused: Sequence[str], what: str) -> tuple[str, ...]:
    if not unused:
        return ()
    return (f"{len(unused)} {what} belong to no photo that is read ({', '.join(map(printable, unused[:3]))})",)
