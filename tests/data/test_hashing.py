from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from photograft.data.hashing import hash_bytes, hash_file, near_pairs, perceptual_hash


def test_files_and_bytes_have_the_same_hash(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "사진.jpg").write_bytes(data)
    assert hash_file(tmp_path / "사진.jpg") == hash_bytes(data) == hashlib.sha256(data).hexdigest()


def test_near_pairs_equals_counting_bits_one_by_one() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, size=(300, 32), dtype=np.uint8)
    base[200:] = base[:100] ^ (rng.random((100, 32)) < 0.1) * (1 << rng.integers(0, 8, size=(100, 32))).astype(np.uint8)
    hashes = [row.tobytes().hex() for row in base]
    hashes[7] = hashes[250] = ""
    expected = [
        [i, j]
        for i in range(300)
        for j in range(i + 1, 300)
        if hashes[i] and hashes[j] and (int(hashes[i], 16) ^ int(hashes[j], 16)).bit_count() <= 4
    ]
    found = np.concatenate(list(near_pairs(hashes, max_bits=4)))
    assert found.tolist() == expected
    assert len(expected) > 20


def test_near_pairs_of_nothing_is_empty() -> None:
    for hashes in ([], [""], ["0" * 64], ["", "", "0" * 64]):
        assert list(near_pairs(hashes, max_bits=12)) == []


@pytest.mark.parametrize("seed", range(4))
def test_the_hash_of_a_mirrored_picture_is_derived(seed: int) -> None:
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    picture = coarse.resize((320, 240), Image.Resampling.BICUBIC)
    hashes = [
        perceptual_hash(picture),
        perceptual_hash(ImageOps.mirror(picture)),
        perceptual_hash(ImageOps.flip(picture)),
    ]
    assert list(near_pairs(hashes, max_bits=32)) == []
    assert np.concatenate(list(near_pairs(hashes, max_bits=32, mirrored=True))).tolist() == [[0, 1]]


def test_a_plain_picture_has_one_hash_whatever_its_size_and_colour() -> None:
    hashes = {perceptual_hash(Image.new("RGB", size, c)) for size in ((5, 9), (300, 200)) for c in ("red", "white")}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64
