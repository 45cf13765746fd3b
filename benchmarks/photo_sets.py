"""Which photos a benchmark reads: folders with one sub-folder per class, whole or as a small sample."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import random
import shutil
from pathlib import Path


def textile_folder() -> Path:
    """The 2,000 textile photos in three classes that the `demo` extra brings."""
    spec = importlib.util.find_spec("conformal_clip_data")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The textile photos are not installed: pip install 'photograft[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data" / "textile_images" / "simulated"


def add_set_arguments(parser: argparse.ArgumentParser) -> None:
    """Add PHOTOS..., --flowers, --textile and --limit."""
    parser.add_argument("photos", nargs="*", type=Path, help="folders with one sub-folder per class")
    parser.add_argument("--flowers", type=Path, metavar="FOLDER", help="the flowers photos")
    parser.add_argument(
        "--textile", type=Path, nargs="?", const=Path(), metavar="FOLDER", help="the textile photos of the demo extra"
    )
    add_limit_argument(parser)


def add_limit_argument(parser: argparse.ArgumentParser) -> None:
    """Add --limit."""
    parser.add_argument("--limit", type=int, metavar="N", help="only N photos of a set, to try the benchmark out")


def chosen_sets(arguments: argparse.Namespace, scratch: Path) -> dict[str, Path]:
    """The folders that were asked for, by name; samples of them are linked below `scratch`."""
    sets = {folder.resolve().name: folder for folder in arguments.photos}
    if arguments.flowers:
        sets["flowers"] = arguments.flowers
    if arguments.textile is not None:
        sets["textile"] = arguments.textile if arguments.textile.parts else textile_folder()
    if not sets:
        raise SystemExit("Which photos? Give folders, or --flowers FOLDER, or --textile.")
    return {name: sample(folder, arguments.limit, scratch / name) for name, folder in sets.items()}


def sample(photos: Path, limit: int | None, folder: Path) -> Path:
    """The same folder, or one with about `limit` of its photos, spread evenly over each class."""
    by_class = photos_by_class(photos)
    if not by_class:
        raise SystemExit(f"{photos} has no sub-folders with photos.")
    total = sum(map(len, by_class.values()))
    if limit is None or total <= limit:
        return photos
    for label, files in by_class.items():
        n = max(4, round(limit * len(files) / total))
        (folder / label).mkdir(parents=True)
        for file in dict.fromkeys(files[i * len(files) // n] for i in range(n)):
            _link(file.resolve(), folder / label / file.name)
    return folder


def photos_by_class(photos: Path) -> dict[str, list[Path]]:
    """Files of each class folder in name order, hidden ones left out."""
    folders = sorted(f for f in photos.iterdir() if f.is_dir() and not f.name.startswith("."))
    listed = {
        folder.name: sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
        for folder in folders
    }
    return {name: files for name, files in listed.items() if files}


def stratified(
    by_class: dict[str, list[Path]], *, test: float, seed: int
) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """Divide the photos of each class at random; gives (train, test), each a list of (file, class number)."""
    rng = random.Random(seed)
    parts: tuple[list[tuple[Path, int]], list[tuple[Path, int]]] = ([], [])
    for number, files in enumerate(by_class.values()):
        order = rng.sample(files, len(files))
        n_test = round(test * len(order))
        parts[1].extend((file, number) for file in order[:n_test])
        parts[0].extend((file, number) for file in order[n_test:])
    return parts


def read_all(photos: Path) -> int:
    """Read every file once, so that the disk is as fast for the first program measured as for the last."""
    n = 0
    for files in photos_by_class(photos).values():
        for file in files:
            file.read_bytes()
            n += 1
    return n


def _link(source: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        target.symlink_to(source)
        return
    shutil.copyfile(source, target)
