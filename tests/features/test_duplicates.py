from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from photograft.contract import make_contract
from photograft.data.hashing import hash_bytes
from photograft.data.images import decode
from photograft.features.duplicates import Duplicates, find_duplicates
from photograft.values import FloatArray, Photo

CONTRACT = make_contract(64)


def draw(seed: int, *, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with a few large shapes and fine structure, as photos have."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    picture = coarse.resize((320, 240), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y, r = rng.integers(0, 320), rng.integers(0, 240), rng.integers(20, 60)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(rng.integers(0, 256, 3).tolist()))
    noisy = np.asarray(picture) + rng.normal(0, 6, (240, 320, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def look(*files: tuple[str, bytes]) -> tuple[list[Photo], FloatArray]:
    """Photos as the scan sees them, with small pictures standing in for embeddings."""
    photos, rows = [], []
    for label, content in files:
        seen = decode(content, CONTRACT)
        photos.append(
            Photo(
                f"{label}/{len(photos)}.jpg",
                label,
                sha256=hash_bytes(content),
                pixel_sha256=seen.pixel_sha256,
                perceptual_hash=seen.perceptual_hash,
            )
        )
        rows.append(np.asarray(Image.fromarray(seen.pixels).resize((8, 8)), np.float32).ravel() - 128)
    return photos, np.stack(rows)


def find(*files: tuple[str, bytes], min_similarity: float = 0.93) -> Duplicates:
    photos, embedding_ND = look(*files)
    return find_duplicates(photos, embedding_ND, max_bits=12, min_similarity=min_similarity)


def test_equal_bytes_and_equal_pixels_are_one_group() -> None:
    picture = draw(0)
    png, small_png = encode(picture, "PNG", compress_level=1), encode(picture, "PNG", compress_level=9)
    found = find(("a", png), ("a", encode(draw(1), "PNG")), ("a", small_png), ("a", png))
    assert png != small_png
    assert found.group_N.tolist() == [0, 1, 0, 0]
    assert (found.n_exact, found.n_near) == (2, 0)
    assert [i.kind for i in found.issues] == ["exact_duplicate"]
    assert found.issues[0].paths == ("a/0.jpg", "a/2.jpg", "a/3.jpg")


@pytest.mark.parametrize("seed", range(5))
def test_recompressed_and_resized_photos_are_near_duplicates(seed: int) -> None:
    files = [
        ("a", encode(draw(seed), "JPEG", quality=95)),
        ("a", encode(draw(seed), "JPEG", quality=40)),
        ("a", encode(draw(seed, size=(160, 120)), "JPEG", quality=80)),
        ("a", encode(draw(seed + 100), "JPEG", quality=95)),
    ]
    found = find(*files)
    assert found.group_N.tolist() == [0, 0, 0, 1]
    assert found.n_exact == 0 and found.n_near >= 2
    assert [i.kind for i in found.issues] == ["near_duplicate"]


@pytest.mark.parametrize("seed", range(5))
def test_mirrored_copies_are_near_duplicates(seed: int) -> None:
    picture = draw(seed)
    content = encode(ImageOps.mirror(picture), "JPEG", quality=85)
    other = encode(draw(seed + 100), "PNG")
    photos, embedding_ND = look(("a", encode(picture, "PNG")), ("a", other), ("a", content))
    embedding_ND[2] = embedding_ND[0] * 1.5  # as a network that hardly sees the difference
    found = find_duplicates(photos, embedding_ND, max_bits=12, min_similarity=0.93)
    assert found.group_N.tolist() == [0, 1, 0] and found.n_near == 1
    assert [i.kind for i in found.issues] == ["near_duplicate"]
    embedding_ND[2] = embedding_ND[0] * -1
    assert find_duplicates(photos, embedding_ND, max_bits=12, min_similarity=0.93).n_near == 0


def test_one_picture_under_two_labels_is_a_conflict() -> None:
    jpeg = encode(draw(3), "JPEG", quality=95)
    found = find(("장미", jpeg), ("튤립", jpeg), ("튤립", encode(draw(4), "JPEG")))
    (issue,) = found.issues
    assert issue.kind == "label_conflict" and "장미, 튤립" in issue.message and issue.remedy
    near = find(("장미", jpeg), ("튤립", encode(draw(3), "JPEG", quality=50)))
    assert [i.kind for i in near.issues] == ["label_conflict"] and "nearly the same" in near.issues[0].message


def test_the_network_must_confirm_what_the_hash_suspects() -> None:
    photos, embedding_ND = look(*(("a", encode(draw(0), "JPEG", quality=q)) for q in (95, 60)))
    embedding_ND = np.eye(2, 8, dtype=np.float32)
    found = find_duplicates(photos, embedding_ND, max_bits=12, min_similarity=0.9)
    assert found.group_N.tolist() == [0, 1] and found.issues == ()


def test_flat_pictures_are_not_all_one_group() -> None:
    colours = [(250, 250, 250), (10, 10, 10), (200, 30, 30), (30, 200, 30), (30, 30, 200), (128, 128, 0)]
    flat = [("a", encode(Image.new("RGB", (100, 80), c), "JPEG")) for c in colours]
    rng = np.random.default_rng(0)
    grainy = [
        (
            "a",
            encode(
                Image.fromarray((np.array(c) + rng.normal(0, 3, (80, 100, 3))).clip(0, 255).astype(np.uint8)), "PNG"
            ),
        )
        for c in colours
    ]
    found = find(*flat, *grainy)
    groups = found.group_N
    assert len(set(groups[:6])) == 6  # six colours are six pictures
    assert len(set(groups[6:])) == 6


def test_groups_are_numbered_by_their_first_photo_and_photos_alone_are_groups() -> None:
    files = [("a", encode(draw(i), "PNG")) for i in (5, 6, 5, 7, 6)]
    assert find(*files).group_N.tolist() == [0, 1, 0, 2, 1]
    nothing = find_duplicates([], np.zeros((0, 8), np.float32), max_bits=12, min_similarity=0.9)
    assert nothing.group_N.tolist() == [] and (nothing.n_exact, nothing.n_near) == (0, 0)


@pytest.mark.parametrize("n_kinds", [1, 3, 1000])
def test_thousands_of_pictures_with_one_hash_are_compared_in_bounded_memory(n_kinds: int) -> None:
    n = 1000
    photos = [
        Photo(f"a/{i}.png", "a", sha256=f"s{i}", pixel_sha256=f"p{i}", perceptual_hash="0" * 64) for i in range(n)
    ]
    embedding_ND = np.random.default_rng(0).normal(size=(n_kinds, 512)).astype(np.float32)[np.arange(n) % n_kinds]
    tracemalloc.start()
    found = find_duplicates(photos, embedding_ND, max_bits=12, min_similarity=0.9)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.group_N.tolist() == (np.arange(n) % n_kinds).tolist()
    assert peak_bytes < 80e6


def test_chains_of_likeness_are_one_group() -> None:
    """A photo joins a group through any of its members, not only through the first."""
    rng = np.random.default_rng(0)
    angle_N = rng.permutation(np.arange(300) * 0.02)
    photos = [
        Photo(f"a/{i}.png", "a", sha256=f"{i}", pixel_sha256=f"{i}", perceptual_hash="0" * 64) for i in range(300)
    ]
    embedding_ND = np.stack([np.cos(angle_N), np.sin(angle_N)], 1).astype(np.float32)
    found = find_duplicates(photos, embedding_ND, max_bits=12, min_similarity=float(np.cos(0.025)))
    assert set(found.group_N.tolist()) == {0} and found.n_near == 299


def test_hundreds_of_copies_are_quick_and_one_group() -> None:
    photos, embedding_ND = look(("a", encode(draw(0), "PNG")))
    photos = [replace(photos[0], path=f"a/{i}.png") for i in range(3000)]
    found = find_duplicates(photos, np.repeat(embedding_ND, 3000, 0), max_bits=12, min_similarity=0.9)
    assert set(found.group_N.tolist()) == {0} and found.n_exact == 2999
    assert "and 2997 more" in found.issues[0].message
