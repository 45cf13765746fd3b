from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from photograft.data.hashing import (
    SYMMETRIES,
    Symmetry,
    hash_bytes,
    hash_file,
    hash_rows,
    perceptual_hash,
    turn_hashes,
)


def test_files_and_bytes_have_the_same_hash(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "사진.jpg").write_bytes(data)
    assert hash_file(tmp_path / "사진.jpg") == hash_bytes(data) == hashlib.sha256(data).hexdigest()


TURNED: dict[Symmetry, Callable[[Image.Image], Image.Image]] = {
    "same": lambda picture: picture,
    "mirrored": ImageOps.mirror,
    "upside down, mirrored": ImageOps.flip,
    "rotated by 180 degrees": lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    # Pillow counts degrees counter-clockwise
    "rotated by 90 degrees": lambda picture: picture.transpose(Image.Transpose.ROTATE_270),
    "rotated by 270 degrees": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "rotated by 90 degrees, mirrored": lambda picture: ImageOps.mirror(picture.transpose(Image.Transpose.ROTATE_270)),
    "rotated by 270 degrees, mirrored": lambda picture: ImageOps.mirror(picture.transpose(Image.Transpose.ROTATE_90)),
}


def draw(seed: int) -> Image.Image:
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    return coarse.resize((320, 240), Image.Resampling.BICUBIC)


def recompressed(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.resize((240, 180) if picture.width > picture.height else (180, 240)).save(buffer, "JPEG", quality=75)
    return Image.open(buffer)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
@pytest.mark.parametrize("seed", range(3))
def test_the_hash_of_a_turned_picture_is_derived(seed: int, symmetry: Symmetry) -> None:
    plain = hash_rows([perceptual_hash(draw(seed))])
    for made, max_bits in ((TURNED[symmetry](draw(seed)), 2), (recompressed(TURNED[symmetry](draw(seed))), 12)):
        turned = hash_rows([perceptual_hash(made)])
        difference = {s: int(np.bitwise_count(turn_hashes(plain, s) ^ turned).sum()) for s in SYMMETRIES}
        assert difference.pop(symmetry) <= max_bits
        assert min(difference.values()) > 60


def test_turning_hashes_twice_gives_them_back() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (20, 32), dtype=np.uint8)
    back: dict[Symmetry, Symmetry] = {
        "rotated by 90 degrees": "rotated by 270 degrees",
        "rotated by 270 degrees": "rotated by 90 degrees",
    }
    for symmetry in SYMMETRIES:
        turned = turn_hashes(rows, symmetry)
        assert (turned == rows).all() == (symmetry == "same")
        assert (turn_hashes(turned, back.get(symmetry, symmetry)) == rows).all()


def test_hashes_as_rows_and_back() -> None:
    texts = [perceptual_hash(draw(seed)) for seed in range(3)]
    assert [row.tobytes().hex() for row in hash_rows(texts)] == texts
    assert hash_rows([]).shape == (0, 32)


@pytest.mark.parametrize("size", [(5, 9), (300, 200), (1, 1), (64, 64)])
def test_a_picture_without_structure_has_no_hash(size: tuple[int, int]) -> None:
    for colour in ("red", "white", "black"):
        assert perceptual_hash(Image.new("RGB", size, colour)) == ""
        grain = np.array(Image.new("RGB", size, colour), dtype=np.int64)
        grain += np.random.default_rng(0).integers(-3, 4, grain.shape)
        assert perceptual_hash(Image.fromarray(grain.clip(0, 255).astype(np.uint8))) == ""
    slope = np.linspace(0, 255, size[0]).astype(np.uint8)[None, :, None]
    assert perceptual_hash(Image.fromarray(np.broadcast_to(slope, (size[1], size[0], 3)).copy())) == ""


def test_a_pale_picture_has_a_hash() -> None:
    pale = Image.blend(draw(0), Image.new("RGB", (320, 240), "white"), 0.8)
    assert len(perceptual_hash(pale)) == 64
    assert np.bitwise_count(hash_rows([perceptual_hash(pale)]) ^ hash_rows([perceptual_hash(draw(0))])).sum() <= 12
