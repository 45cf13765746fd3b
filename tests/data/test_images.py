from __future__ import annotations

import io
import random
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from photograft.contract import Box, Contract, Crop, Decode, Resize, make_contract
from photograft.data.images import DECODER_VERSION, decode, to_pixels
from photograft.errors import ImageRejected
from photograft.values import VERDICTS, Annotation, Rect

CONTRACT = make_contract(64)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def corners(width: int = 64, height: int = 48) -> Image.Image:
    """Top left red, top right green, bottom left blue, bottom right white."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, size=(9, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def verdict_of(data: bytes, contract: Contract = CONTRACT) -> tuple[str, str]:
    with pytest.raises(ImageRejected) as caught:
        decode(data, contract)
    return caught.value.verdict, caught.value.reason


TURN_BACK = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that an orientation takes back


def turned(image: Image.Image, turn: int) -> tuple[Image.Image, bytes]:
    """The picture as a camera stores it, and the EXIF data that say so."""
    exif = Image.Exif()
    exif[274] = turn
    return (image.transpose(Image.Transpose(TURN_BACK[turn])) if turn > 1 else image), exif.tobytes()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_comes_out_upright(turn: int, image_format: str) -> None:
    stored, exif = turned(corners(), turn)
    decoded = decode(encode(stored, image_format, exif=exif), CONTRACT)
    assert (decoded.width, decoded.height) == (64, 48)
    assert decoded.turn == turn
    found = [decoded.pixels[y, x].astype(int) for y, x in ((8, 8), (8, 56), (56, 8), (56, 56))]
    for pixel, colour in zip(found, (RED, GREEN, BLUE, WHITE), strict=True):
        assert np.abs(pixel - colour).max() < 60


def test_an_invalid_orientation_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[274] = 65535
    assert decode(encode(corners(), "JPEG", exif=exif.tobytes()), CONTRACT).turn == 1


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(image_format: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64), (64, 1)).astype(np.uint16)
    pixels = decode(encode(Image.fromarray(ramp), image_format), CONTRACT).pixels
    assert np.abs(pixels[32, :, 0].astype(float) - ramp[32] / 257).max() <= 1


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (0, 65535), (-500, 1500)])
def test_float_grey_keeps_its_shades(low: float, high: float) -> None:
    ramp = np.tile(np.linspace(low, high, 64), (64, 1)).astype(np.float32)
    pixels = decode(encode(Image.fromarray(ramp), "TIFF"), CONTRACT).pixels
    assert np.abs(pixels[32, :, 0].astype(float) - np.linspace(0, 255, 64)).max() <= 1


def test_alpha_is_put_on_white_and_hidden_colours_do_not_show() -> None:
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))  # transparent black: reduced by 3 before it is resized
    image.paste((0, 0, 255, 255), (0, 0, 200, 400))
    pixels = decode(encode(image), CONTRACT).pixels
    assert tuple(pixels[32, 60]) == WHITE
    assert tuple(pixels[32, 4]) == BLUE
    between = pixels[32, 28:36].astype(int)
    assert (between[:, 2] == 255).all(), "black shines through at the edge"


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16", "PA"]
)
def test_every_mode_of_pillow_gives_pixels(mode: str) -> None:
    pixels = to_pixels(Image.new(mode, (30, 20)), CONTRACT)
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8


def test_cmyk_looks_like_the_rgb_it_was_made_from() -> None:
    original = photo(200, 150)
    pixels = decode(encode(original.convert("CMYK"), "JPEG", quality=95), CONTRACT).pixels
    assert np.abs(pixels.astype(int) - to_pixels(original, CONTRACT)).mean() < 3


def test_palette_with_transparency_and_first_frame_of_an_animation() -> None:
    frames = [Image.new("P", (20, 20), k) for k in (1, 2)]
    for frame in frames:
        frame.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    animated = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert tuple(decode(animated, CONTRACT).pixels[5, 5]) == RED
    transparent = encode(frames[0], "PNG", transparency=1)
    assert tuple(decode(transparent, CONTRACT).pixels[5, 5]) == WHITE


def test_bands_give_the_same_as_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    image = photo(700, 533).convert("RGBA")
    image.putalpha(photo(700, 533, seed=1).convert("L"))
    whole = decode(encode(image), CONTRACT)
    monkeypatch.setattr("photograft.data.colour.BAND_PIXELS", 5000)
    banded = decode(encode(image), CONTRACT)
    assert whole.pixel_sha256 == banded.pixel_sha256
    assert (whole.pixels == banded.pixels).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_reduction_moves_nothing_in_any_orientation(turn: int) -> None:
    exif = Image.Exif()
    exif[274] = turn
    image = photo(447, 383)  # reduced by 2, with a part of a block left over at both ends
    reduced = decode(encode(image, exif=exif.tobytes()), CONTRACT)
    exact = decode(encode(image, exif=exif.tobytes()), CONTRACT.model_copy(update={"decode": Decode(reduce="none")}))
    assert np.abs(reduced.pixels.astype(int) - exact.pixels).mean() < 0.8


@pytest.mark.parametrize("size", [(320, 240), (1300, 900)])
def test_a_picture_in_memory_gives_the_pixels_of_its_file(size: tuple[int, int]) -> None:
    image = photo(*size)
    for contract in (CONTRACT, make_contract(64, crop="center")):
        assert (decode(encode(image), contract).pixels == to_pixels(image, contract)).all()


def test_a_lossless_copy_has_the_same_pixel_hash_and_another_photo_has_not() -> None:
    image = photo(500, 400)
    hashes = {decode(encode(image, f), CONTRACT).pixel_sha256 for f in ("PNG", "BMP", "TIFF")}
    assert len(hashes) == 1
    assert decode(encode(photo(500, 400, seed=1)), CONTRACT).pixel_sha256 not in hashes


def test_perceptual_hash_finds_copies_and_not_other_photos() -> None:
    image = photo(400, 300)
    copies = [
        encode(image),
        encode(image, "JPEG", quality=60),
        encode(image.resize((300, 225)), "JPEG", quality=90),
        *(encode(photo(400, 300, seed=k)) for k in range(1, 6)),
    ]
    hashes = [int(decode(data, CONTRACT).perceptual_hash, 16) for data in copies]
    n_bits = [(hashes[0] ^ other).bit_count() for other in hashes[1:]]
    assert max(n_bits[:2]) <= 12
    assert min(n_bits[2:]) > 60


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1, 10000), (10000, 1), (3, 500)])
@pytest.mark.parametrize("crop", ["none", "center"])
def test_odd_shapes_neither_vanish_nor_explode(size: tuple[int, int], crop: str) -> None:
    decoded = decode(encode(Image.new("RGB", size, RED)), make_contract(64, crop=crop))
    assert decoded.pixels.shape == (64, 64, 3)
    assert (decoded.pixels == RED).all()
    assert (decoded.width, decoded.height) == size


def test_center_crop_takes_the_middle_seven_eighths() -> None:
    image = Image.new("RGB", (1600, 800), RED)
    image.paste(BLUE, (450, 50, 1150, 750))  # the central square of 700 of 800 pixels
    assert (to_pixels(image, make_contract(64, crop="center"))[2:-2, 2:-2] == BLUE).all()


def test_stretch_with_center_crop_follows_both_rules() -> None:
    contract = Contract(resize=Resize(px=80), crop=Crop(rule="center", px=64))
    image = Image.new("RGB", (800, 400), RED)
    image.paste(BLUE, (80, 40, 720, 360))
    assert (to_pixels(image, contract)[2:-2, 2:-2] == BLUE).all()


def test_a_large_jpeg_is_decoded_at_reduced_scale_and_looks_the_same() -> None:
    data = encode(photo(2400, 1800), "JPEG", quality=95)
    decoded = decode(data, CONTRACT)
    assert (decoded.width, decoded.height) == (2400, 1800)
    with Image.open(io.BytesIO(data)) as whole:
        assert np.abs(decoded.pixels.astype(int) - to_pixels(whole, CONTRACT)).mean() < 1


def test_pixel_limit_is_checked_before_decoding_and_puts_pillow_back() -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    small = make_contract(64, max_pixels=10_000)
    verdict, reason = verdict_of(encode(photo(200, 100)), small)
    assert verdict == "too_many_pixels"
    assert "data.max_pixels" in reason
    with pytest.raises(ImageRejected, match="too_many_pixels"):
        to_pixels(photo(200, 100), small)
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_half_copied_files_are_truncated(image_format: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, size=(90, 120, 3), dtype=np.uint8))
    data = encode(noise, image_format)
    assert verdict_of(data[: int(len(data) * share)])[0] == "truncated"


@pytest.mark.parametrize(
    ("data", "verdict", "words"),
    [
        (b"", "empty", "no bytes"),
        (b"hello", "not_an_image", "no known"),
        (b"\xff", "not_an_image", "no known"),
        (b"\xff\xd8\xff", "corrupt", "JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "not_an_image", "git lfs pull"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2", "not_an_image", "video"),
        (b"PK\x05\x06" + bytes(18), "not_an_image", "ZIP"),
        (b"<html><body>404</body></html>", "not_an_image", "download"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format", "SVG"),
        (b"8BPS\x00\x01", "unsupported_format", "Photoshop"),
        (b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heic", "unsupported_format", "photograft[heif]"),
    ],
)
def test_files_that_are_no_photos_are_named(data: bytes, verdict: str, words: str) -> None:
    found, reason = verdict_of(data)
    assert found == verdict
    assert words in reason


def test_a_format_left_out_by_the_settings_is_not_decoded() -> None:
    verdict, reason = verdict_of(encode(photo(20, 20), "GIF"), make_contract(64, formats=("JPEG", "PNG")))
    assert verdict == "unsupported_format"
    assert "data.formats" in reason


def test_heif_is_decoded_where_it_is_installed_and_asked_for() -> None:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_pillow(corners()).save(buffer)
    decoded = decode(
        buffer.getvalue(), Contract(decode=Decode(formats=("HEIF",)), resize=Resize(px=64), crop=Crop(px=64))
    )
    assert (decoded.format, decoded.width, decoded.height) == ("HEIF", 64, 48)


def test_the_verdict_does_not_depend_on_the_warning_filters() -> None:
    data = encode(photo(60, 40), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff garbage")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(data, CONTRACT).format == "JPEG"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_flipped_bits_give_pixels_or_a_verdict(image_format: str) -> None:
    rng = random.Random(0)
    data = encode(photo(64, 64), image_format)
    contract, annotation = boxed(16), Annotation((Rect(30, 30, 50, 60),))  # a JPEG is decoded at two scales
    verdicts = []
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        try:
            assert decode(bytes(broken), contract, annotation).pixels.shape == (16, 16, 3)
            verdicts.append("ok")
        except ImageRejected as rejected:
            verdicts.append(rejected.verdict)
    assert set(verdicts) <= set(VERDICTS)
    assert len(set(verdicts)) > 1


def test_the_decoder_version_names_the_library() -> None:
    import PIL

    assert PIL.__version__ in DECODER_VERSION


# ------------------------------------------------------------------ boxes

QUADRANTS = {RED: (0, 0), GREEN: (1, 0), BLUE: (0, 1), WHITE: (1, 1)}


def boxed(px: int = 64, **rules: Any) -> Contract:
    return make_contract(px, box=Box(source="voc", **rules))


def quadrant(x: int, y: int, width: int, height: int) -> Annotation:
    rect = Rect(x * width / 2, y * height / 2, (x + 1) * width / 2, (y + 1) * height / 2)
    return Annotation((rect,), width, height)


@pytest.mark.parametrize("size", [(64, 48), (1000, 760)])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_box_of_a_quadrant_shows_its_colour_alone(turn: int, size: tuple[int, int]) -> None:
    width, height = size
    stored, exif = turned(corners(width, height), turn)
    for image_format in ("PNG", "TIFF"):
        data = encode(stored, image_format, exif=exif)
        for colour, (x, y) in QUADRANTS.items():
            decoded = decode(data, boxed(), quadrant(x, y, width, height))
            assert (decoded.pixels == colour).all()
            expected = (x * width // 2, y * height // 2, (x + 1) * width // 2, (y + 1) * height // 2)
            assert (decoded.box, decoded.box_problem) == (expected, "")


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_a_box_of_the_picture_as_stored_is_turned_with_it(turn: int) -> None:
    stored, exif = turned(corners(), turn)
    data = encode(stored, exif=exif)
    for scale in (1, 4):  # the photo may have been made smaller since
        for x, y in QUADRANTS.values():
            seen = stored.getpixel((x * stored.width // 2 + 3, y * stored.height // 2 + 3))
            width, height = scale * stored.width, scale * stored.height
            decoded = decode(data, boxed(), quadrant(x, y, width, height))
            assert (decoded.pixels == seen).all()


def test_hashes_and_quality_are_those_of_the_whole_photo() -> None:
    data = encode(photo(900, 700), "JPEG")
    whole, part = decode(data, boxed()), decode(data, boxed(), Annotation((Rect(10, 10, 90, 80),)))
    for name in ("pixel_sha256", "perceptual_hash", "brightness", "contrast", "sharpness", "width", "height"):
        assert getattr(whole, name) == getattr(part, name)
    assert whole.box is None
    assert part.box == (10, 10, 90, 80)
    assert (whole.pixels != part.pixels).any()


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
@pytest.mark.parametrize("crop", ["none", "center"])
def test_a_box_around_everything_gives_the_pixels_of_the_whole(image_format: str, crop: str) -> None:
    data = encode(photo(1299, 901), image_format)
    contract = make_contract(64, crop=crop, box=Box(source="voc"))
    decoded = decode(data, contract, Annotation((Rect(-5, 0, 1299, 2000),)))
    assert decoded.box == (0, 0, 1299, 901)
    assert (decoded.pixels == decode(data, contract).pixels).all()


@pytest.mark.parametrize("crop", ["none", "center"])
def test_the_rules_of_the_contract_apply_to_the_box(crop: str) -> None:
    image = photo(900, 600)
    decoded = decode(
        encode(image), make_contract(64, crop=crop, box=Box(source="csv")), Annotation((Rect(100, 50, 500, 300),))
    )
    assert (decoded.pixels == to_pixels(image.crop((100, 50, 500, 300)), make_contract(64, crop=crop))).all()


def test_without_a_usable_box_or_with_the_source_none_the_photo_is_whole() -> None:
    data = encode(corners())
    whole = decode(data, CONTRACT)
    outside = decode(data, boxed(), Annotation((Rect(70, 0, 90, 20),), source="a.xml, line 3"))
    assert outside.box is None
    assert outside.box_problem.startswith("no box lies inside")
    unasked = decode(data, CONTRACT, Annotation((Rect(0, 0, 20, 20),)))
    assert (unasked.box, unasked.box_problem) == (None, "")
    assert (whole.pixels == outside.pixels).all()
    assert (whole.pixels == unasked.pixels).all()


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("rect", [(1501, 1203, 1630, 1330), (1001, 703, 1330, 1101), (97, 103, 1900, 1701)])
def test_a_small_box_in_a_large_jpeg_stays_sharp(turn: int, rect: tuple[int, int, int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, size=(450, 600, 3), dtype=np.uint8))
    image = image.resize((2400, 1800), Image.Resampling.BICUBIC)
    stored, exif = turned(image, turn)
    decoded = decode(encode(stored, "JPEG", quality=95, subsampling=0, exif=exif), boxed(), Annotation((Rect(*rect),)))
    exact = to_pixels(image.crop(rect), CONTRACT).astype(int)
    assert decoded.box == rect
    assert np.abs(decoded.pixels - exact).mean() < 3
    if rect[2] - rect[0] < 200:
        coarse = image.reduce(8).resize(image.size, Image.Resampling.BICUBIC)  # what the scale of the whole would show
        assert np.abs(to_pixels(coarse.crop(rect), CONTRACT) - exact).mean() > 20


def test_a_box_in_a_transparent_picture_lies_on_white() -> None:
    image = Image.new("RGBA", (1000, 1000), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 500, 1000))
    assert (decode(encode(image), boxed(), Annotation((Rect(501, 3, 999, 400),))).pixels == WHITE).all()
    assert (decode(encode(image), boxed(), Annotation((Rect(1, 3, 499, 400),))).pixels == BLUE).all()
