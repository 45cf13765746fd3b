"""Defects planted into a copy of a folder of photos, each with the truth about it.

Every photo is used for one defect at most, so that each planted copy has exactly one photo it is a copy of.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from photo_sets import photos_by_class

Generator = np.random.Generator

CONFLICT = "exact copy in another class"
FLIPPED = "label flipped"
SYSTEM = "system files"
SYSTEM_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini", "._x.jpg")


@dataclass(frozen=True)
class Planted:
    """One defect: the file that has it, and for a copy the photo it was made from; both relative to the folder."""

    kind: str
    path: str
    source: str = ""


def copy_photos(photos: Path, folder: Path) -> None:
    """Copy the class folders, following links."""
    for label, files in photos_by_class(photos).items():
        (folder / label).mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, folder / label / file.name)


def plant(folder: Path, bases: Sequence[str], *, copies: int, spoiled: int, seed: int) -> list[Planted]:
    """Plant `copies` of each kind of copy and flipped labels, and `spoiled` of the rest, into a folder of one's own.

    `bases` are the photos that may be used, relative to the folder; a class folder stands above each.
    """
    rng = np.random.default_rng(seed)
    wanted = dict.fromkeys((*COPIES, CONFLICT, FLIPPED), copies) | dict.fromkeys(SPOILED, spoiled)
    if sum(wanted.values()) > len(bases):
        raise SystemExit(
            f"{sum(wanted.values())} defects need as many photos, and there are {len(bases)}: plant fewer."
        )
    drawn = iter(rng.permutation(sorted(bases)).tolist())
    labels = sorted({base.partition("/")[0] for base in bases})
    planted = [
        _plant_one(folder, kind, base, labels, rng)
        for kind, n in wanted.items()
        for base, _ in zip(drawn, range(n), strict=False)
    ]
    return planted + list(_plant_system_files(folder, labels, rng))


def _plant_one(folder: Path, kind: str, base: str, labels: Sequence[str], rng: Generator) -> Planted:
    file = folder / base
    own, _, name = base.partition("/")
    if kind in (CONFLICT, FLIPPED):
        other = rng.choice([label for label in labels if label != own])
        target = folder / other / f"moved-{name}"
        (shutil.copyfile if kind == CONFLICT else shutil.move)(file, target)
        return Planted(kind, _relative(target, folder), base if kind == CONFLICT else "")
    if kind in SPOILED:
        return Planted(kind, _relative(SPOILED[kind](file, rng), folder))
    with Image.open(file) as image:
        data = COPIES[kind](image.convert("RGB"), rng)
    target = file.with_name(f"{file.stem}-{len(data)}{file.suffix}")
    target.write_bytes(data)
    return Planted(kind, _relative(target, folder), base)


def _plant_system_files(folder: Path, labels: Sequence[str], rng: Generator) -> Iterator[Planted]:
    for label in labels:
        for name in SYSTEM_NAMES:
            (folder / label / name).write_bytes(rng.bytes(4096))
            yield Planted(SYSTEM, f"{label}/{name}")


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


# ------------------------------------------------------------------ copies: bytes of a new file beside the photo


def _jpeg(image: Image.Image, quality: int, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


def _recompressed(image: Image.Image, rng: Generator) -> bytes:
    return _jpeg(image, int(rng.integers(50, 91)))


def _scaled(image: Image.Image, rng: Generator) -> Image.Image:
    share = 1.0
    while abs(share - 1) < 0.02:  # a size that does not change is no test
        share = rng.uniform(0.5, 1.5)
    size = max(1, round(image.width * share)), max(1, round(image.height * share))
    return image.resize(size, Image.Resampling.LANCZOS)


def _resized(image: Image.Image, rng: Generator) -> bytes:
    return _jpeg(_scaled(image, rng), 95)


def _resized_recompressed(image: Image.Image, rng: Generator) -> bytes:
    return _recompressed(_scaled(image, rng), rng)


def _cropped(image: Image.Image, _: Generator) -> bytes:
    x, y = round(0.025 * image.width), round(0.025 * image.height)
    return _jpeg(image.crop((x, y, image.width - x, image.height - y)), 90)


def _brighter(image: Image.Image, rng: Generator) -> bytes:
    share = rng.uniform(1.2, 1.4)
    return _jpeg(image.point(lambda value: min(255, value * share)), 90)


def _other_gamma(image: Image.Image, rng: Generator) -> bytes:
    gamma = rng.uniform(0.6, 0.8) if rng.random() < 0.5 else rng.uniform(1.25, 1.6)
    return _jpeg(image.point(lambda value: 255 * (value / 255) ** gamma), 90)


def _mirrored(image: Image.Image, _: Generator) -> bytes:
    return _jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 90)


def _rotated(image: Image.Image, rng: Generator) -> bytes:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return _jpeg(image.transpose(turns[rng.integers(3)]), 90)


COPIES: dict[str, Callable[[Image.Image, Generator], bytes]] = {
    "recompressed": _recompressed,
    "resized": _resized,
    "resized and recompressed": _resized_recompressed,
    "cropped by 5 %": _cropped,
    "brighter": _brighter,
    "other gamma": _other_gamma,
    "mirrored": _mirrored,
    "rotated": _rotated,
}
"""JPEG quality 50 to 90; 50 to 150 % of the size (quality 95 alone); 2.5 % cut off each side; times 1.2 to 1.4; gamma
0.6 to 0.8 or 1.25 to 1.6; mirrored left to right; pixels rotated by 90, 180 or 270 degrees; these at quality 90."""


# ------------------------------------------------------------------ spoiled: the photo itself is replaced


def _truncate(file: Path, rng: Generator) -> Path:
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * rng.uniform(0.3, 0.9))])
    return file


def _turn_by_exif(file: Path, rng: Generator) -> Path:
    """Store the pixels turned, with the tag that turns them back."""
    tag, transpose = (
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
    )[rng.integers(3)]
    with Image.open(file) as image:
        exif = Image.Exif()
        exif[0x0112] = tag
        data = _jpeg(image.convert("RGB").transpose(transpose), 90, exif=exif)
    file.write_bytes(data)
    return file


def _misname(file: Path, rng: Generator) -> Path:
    """Half of them a JPEG called .png, half a PNG called .jpg."""
    if rng.random() < 0.5:
        return file.rename(file.with_suffix(".png"))
    with Image.open(file) as image:
        pixels = image.convert("RGB")
    pixels.save(file, "PNG")
    return file


def _blank(file: Path, rng: Generator) -> Path:
    """One colour, half of them with the noise of a camera (a standard deviation of one grey level)."""
    with Image.open(file) as image:
        size = image.height, image.width, 3
    noise = rng.normal(0, 1, size) if rng.random() < 0.5 else np.zeros(size)
    pixels = np.clip(rng.integers(60, 200, 3) + noise, 0, 255).astype(np.uint8)
    file.write_bytes(_jpeg(Image.fromarray(pixels), 90))
    return file


def _darken(file: Path, rng: Generator) -> Path:
    share = rng.uniform(0.03, 0.12)
    return _replace(file, lambda image: image.point(lambda value: value * share))


def _blur(file: Path, rng: Generator) -> Path:
    """Gaussian, with a radius of 2 to 5 % of the short side."""
    share = rng.uniform(0.02, 0.05)
    return _replace(file, lambda image: image.filter(ImageFilter.GaussianBlur(share * min(image.size))))


def _replace(file: Path, change: Callable[[Image.Image], Image.Image]) -> Path:
    with Image.open(file) as image:
        data = _jpeg(change(image.convert("RGB")), 90)
    file.write_bytes(data)
    return file


SPOILED: dict[str, Callable[[Path, Generator], Path]] = {
    "truncated": _truncate,
    "turned by EXIF": _turn_by_exif,
    "wrong extension": _misname,
    "blank": _blank,
    "dark": _darken,
    "blurred": _blur,
}
"""Cut to 30 to 90 % of the bytes; orientation 3, 6 or 8; JPEG named .png or PNG named .jpg; one colour; 3 to 12 % of
the brightness; Gaussian blur with a radius of 2 to 5 % of the short side."""
