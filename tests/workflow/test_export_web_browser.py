"""The exported page in real Chromium: the same pixels and probabilities as in Python, and what people do with it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import photograft
from photograft.contract import make_contract, view_names
from photograft.data.images import decode
from photograft.errors import ImageRejected
from photograft.features.extract import take_view
from photograft.inference.classifier import Classifier, Prediction
from photograft.inference.compose import compose
from photograft.inference.decisions import strangeness
from photograft.models.bundle import read_bundle, seal_bundle
from photograft.models.bundle_rows import BundleInfo
from photograft.models.decisions import Familiar, familiar_file, pack_levels
from photograft.workflow.train import TrainedRun

from .web_pages import CHROMIUM, FAKE_CAMERA, export_page, opened, served

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]

ROUNDING = 1e-5
BYTES = "Uint8Array.from(atob(text), (c) => c.charCodeAt(0))"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox", "--disable-gpu", *FAKE_CAMERA]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_page(tiny_run.bundle, tmp_path_factory.mktemp("web") / "나의 page")


@pytest.fixture(scope="module")
def page(chromium: Any, folder: Path) -> Iterator[Any]:
    """A page whose modules are called by themselves."""
    with opened(chromium, folder) as page:
        yield page


@pytest.fixture
def visit(chromium: Any, folder: Path) -> Iterator[Any]:
    """A page of a test's own, for what people do."""
    with opened(chromium, folder) as page:
        yield page


def as_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_the_golden_set_passes_and_the_bundle_within_is_whole(page: Any, folder: Path) -> None:
    page.locator("#check.is-same").wait_for()
    assert "checked on 2 pictures" in page.locator("#check").text_content()
    found = page.evaluate("async () => (await (await import('./model.js')).load(`${location.href}model/`)).check()")
    assert found["n"] == 2 and found["same"] and found["difference"] < ROUNDING
    assert photograft.verify(folder / "model").ok


def test_a_bundle_that_predicts_otherwise_is_told_of(chromium: Any, bundle_copy: Path, tmp_path: Path) -> None:
    info = read_bundle(bundle_copy).info
    wrong = tuple(reversed(info.golden[0].outputs["label"]))
    golden = (info.golden[0].model_copy(update={"outputs": {"label": wrong}}), *info.golden[1:])
    seal_bundle(bundle_copy, info.model_copy(update={"golden": golden}))
    with opened(chromium, export_page(bundle_copy, tmp_path / "page")) as page:
        page.locator("#check.is-other").wait_for()
        assert "Do not rely on it" in page.locator("#check").text_content()


# ------------------------------------------------------------------ pixels


def draw(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng((seed, width, height))
    small = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    noise = rng.normal(0, 9, (height, width, 3))
    picture = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)) + noise
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(turn: int) -> bytes:
    written = Image.Exif()
    written[274] = turn
    return written.tobytes()


def make_files() -> dict[str, bytes]:
    """Files of every kind that the page reads itself: sizes, sampling, colours, depths, orientation."""
    photo = draw(150, 110)
    files = {f"turn {turn}.jpg": saved(photo, "JPEG", exif=exif(turn)) for turn in range(1, 9)}
    for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
        for width, height in ((61, 47), (150, 111), (131, 263), (533, 401), (1100, 1031)):
            options = {"subsampling": sampling, "progressive": width == 131, "quality": 60 + width % 35}
            files[f"{sampling} {width}.jpg"] = saved(draw(width, height), "JPEG", **options)
    files["restart.jpg"] = saved(photo, "JPEG", restart_marker_rows=1)
    files["cmyk.jpg"] = saved(photo.convert("CMYK"), "JPEG")
    files["rgb.jpg"] = saved(photo, "JPEG", keep_rgb=True)
    files["grey.jpg"] = saved(photo.convert("L"), "JPEG")
    files["two pixels.jpg"] = saved(draw(2, 3), "JPEG")
    alpha = photo.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size))
    colours = Image.fromarray((np.arange(110 * 150).reshape(110, 150) * 3).astype(np.uint16))
    for name, image in {
        "rgb": draw(700, 533), "turned": photo, "alpha": alpha, "grey alpha": alpha.convert("LA"),
        "grey": photo.convert("L"),
        "one bit": photo.convert("1"), "palette": photo.convert("P"), "16 bit": colours, "tall": draw(40, 900),
    }.items():  # fmt: skip
        files[f"{name}.png"] = saved(image, "PNG", **({"exif": exif(6)} if name == "turned" else {}))
    files["clear palette.png"] = saved(photo.convert("P"), "PNG", transparency=bytes(range(256)))
    files["clear colour.png"] = saved(photo, "PNG", transparency=photo.getpixel((3, 3)))
    return files


PIXELS = f"""async ([text, contracts]) => {{
  const {{ decode }} = await import('./contract.js');
  const asText = (pixels) => btoa(Array.from(pixels, (b) => String.fromCharCode(b)).join(''));
  try {{
    return (await decode({BYTES}, contracts)).map(asText);
  }} catch (error) {{
    if (!error.code) throw error;
    return error.code;
  }}
}}"""


def test_files_of_every_kind_become_the_same_pixels_as_in_python(page: Any) -> None:
    contracts = [make_contract(64), make_contract(56, crop="center")]
    given = [contract.model_dump(mode="json") for contract in contracts]
    different = []
    for name, content in make_files().items():
        got = page.evaluate(PIXELS, [as_text(content), given])
        want = [as_text(decode(content, contract).pixels.tobytes()) for contract in contracts]
        if got != want:
            different.append(name)
    assert not different


def test_what_is_no_photo_is_rejected_for_the_same_reason(page: Any) -> None:
    contract = make_contract(64, max_pixels=20_000)
    jpeg, png = saved(draw(150, 110), "JPEG"), saved(draw(150, 110), "PNG")
    files = {
        "empty": b"", "text": b"hello", "pdf": b"%PDF-1.7 ...", "cut.jpg": jpeg[: len(jpeg) // 2], 
        "cut.png": png[: len(png) // 2],
        "large": saved(draw(200, 101), "JPEG"), "damaged.png": png[:60] + b"\0\0\0\0" + png[64:],
        "gif": b"GIF89a" + b"\0" * 9,
    }  # fmt: skip
    for name, content in files.items():
        with pytest.raises(ImageRejected) as rejected:
            decode(content, contract)
        got = page.evaluate(PIXELS, [as_text(content), [contract.model_dump(mode="json")]])
        assert got == rejected.value.verdict, name


@pytest.mark.parametrize("form", ["WEBP", "GIF", "BMP", "AVIF"])
def test_what_the_browser_decodes_is_nearly_the_same(page: Any, form: str) -> None:
    contract = make_contract(64)
    content = saved(draw(150, 110), form)
    (got,) = page.evaluate(PIXELS, [as_text(content), [contract.model_dump(mode="json")]])
    want = decode(content, contract).pixels.ravel().astype(int)
    assert np.abs(np.frombuffer(base64.b64decode(got), np.uint8).astype(int) - want).max() <= 2


def test_real_photos_become_the_same_pixels(page: Any, shared_data: Path) -> None:
    contract = make_contract(224)
    photos = sorted((shared_data / "flowers").rglob("*.jpg"))[::70]
    hashes = [hashlib.sha256(decode(photo.read_bytes(), contract).pixels.tobytes()).hexdigest() for photo in photos]
    script = f"""async ([text, contract]) => {{
      const [pixels] = await (await import('./contract.js')).decode({BYTES}, [contract]);
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', pixels));
      return [...digest].map((b) => b.toString(16).padStart(2, '0')).join('');
    }}"""
    given = contract.model_dump(mode="json")
    assert [page.evaluate(script, [as_text(photo.read_bytes()), given]) for photo in photos] == hashes


def test_bad_images_end_as_in_python_and_never_stop_the_page(page: Any, shared_data: Path) -> None:
    contract = make_contract(64)
    given = contract.model_dump(mode="json")
    otherwise = []
    files = sorted(path for path in (shared_data / "badimages").rglob("*") if path.is_file() and path.suffix != ".csv")
    for path in files:
        content = path.read_bytes()
        if len(content) > 4_000_000 or content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            continue  # Chromium reads no TIFF
        try:
            read = bool(decode(content, contract).width)
        except ImageRejected:
            read = False
        if read != isinstance(page.evaluate(PIXELS, [as_text(content), [given]]), list):
            otherwise.append(path.name)
    # Browsers are more lenient with palettes of BMP, and here nothing is read behind the picture of a PNG.
    assert set(otherwise) <= {
        "Bad_clrsUsed.bmp",
        "bmp__b__badpalettesize.bmp",
        "bmp__q__rgba16-4444.bmp",
        "png_decompression_dos.png",
    }


# ------------------------------------------------------------------ the model


def probabilities(page: Any, content: bytes) -> dict[str, Any]:
    script = f"""async (text) => {{
      window.model ||= (await import('./model.js')).load(`${{location.href}}model/`);
      return (await window.model).predict('photo', {BYTES});
    }}"""
    return dict(page.evaluate(script, as_text(content)))


def test_predictions_are_those_of_python(page: Any, photo_folder: Path, tiny_classifier: Classifier) -> None:
    for path in [*sorted(photo_folder.rglob("*.*"))[::12], *(saved(draw(90, 70, seed), "PNG") for seed in range(4))]:
        content = path if isinstance(path, bytes) else path.read_bytes()
        want, got = tiny_classifier.predict(content), probabilities(page, content)
        assert isinstance(want, Prediction)
        assert (got["status"], got["label"]) == (want.status, want.label)
        assert [each["label"] for each in got["top"]] == [label for label, _ in want.top]
        assert [each["probability"] for each in got["top"]] == pytest.approx([p for _, p in want.top], abs=ROUNDING)


def test_mirrored_views_are_averaged_as_in_python(chromium: Any, bundle_copy: Path, tmp_path: Path) -> None:
    info = read_bundle(bundle_copy).info
    views = tuple(row.model_copy(update={"flip": True}) for row in info.views)
    seal_bundle(bundle_copy, info.model_copy(update={"views": views}))
    content = saved(draw(90, 70), "PNG")
    with photograft.load(bundle_copy) as model, opened(chromium, export_page(bundle_copy, tmp_path / "page")) as page:
        want, got = model.predict(content), probabilities(page, content)
        page.locator("#check.is-same, #check.is-other").wait_for()
    assert isinstance(want, Prediction)
    assert [each["probability"] for each in got["top"]] == pytest.approx([p for _, p in want.top], abs=ROUNDING)


def test_five_crops_are_those_of_python(page: Any) -> None:
    px = 73
    pixels = np.asarray(draw(px, px))
    script = f"""async ([text, px]) => {{
      const {{ makeViews }} = await import('./views.js');
      return [...makeViews({BYTES}, px, {{ crops: 'five', flip: true }}).data];
    }}"""
    got = np.array(page.evaluate(script, [as_text(pixels.tobytes()), px]), np.uint8)
    want = np.concatenate([take_view(pixels[None], name).ravel() for name in view_names("five", True)])
    assert np.array_equal(got, want)


def target(name: str, classes: str, members: dict[str, float], temperature: float, **more: Any) -> dict[str, Any]:
    rows = [{"head": head, "weight": weight} for head, weight in members.items()]
    return {
        "name": name,
        "classes": classes.split(", "),
        "members": rows,
        "calibration": {"temperature": temperature},
        **more,
    }


FACTORS = [{"name": "f", "classes": ["b", "a"]}, {"name": "g", "classes": ["x", "y"]}]
SHARES = {"power": 0.6, "shares": [0.7, 0.3, 0.0]}
TARGETS: dict[str, list[dict[str, Any]]] = {
    "two members, adjusted, with factors": [
        target("label", "a | x, a | y, b | x", {"one": 0.3, "two": 0.7}, 1.7, prior_adjust=SHARES, factors=FACTORS)
    ],
    "joint of three kinds": [
        target("s", "p, q, r", {"one": 1}, 0.8),
        target("o", "1, 2, 3, 4", {"ordinal": 1}, 1.1, order=True),
        target("b", "no, yes", {"binary": 1}, 1.3),
    ],
    "several labels": [target("label", "u, v, w", {"sigmoid": 1}, 0.9, thresholds=[0.2, 0.5, 0.9])],
}
HEADS = {
    "one": ("softmax", 3),
    "two": ("softmax", 3),
    "ordinal": ("ordinal", 3),
    "binary": ("binary", 1),
    "sigmoid": ("sigmoid", 3),
}


@pytest.mark.parametrize("case", TARGETS)
def test_heads_of_every_kind_are_composed_as_in_python(page: Any, tiny_run: TrainedRun, case: str) -> None:
    targets = TARGETS[case]
    joint = {"targets": ["s", "o", "b"], "calibration": {"temperature": 1.4}} if len(targets) > 1 else None
    whole = read_bundle(tiny_run.bundle).info.model_dump(mode="json")
    network = whole["networks"][0]["id"]
    heads = [{"id": name, "network": network, "weights": "-", "kind": kind} for name, (kind, _) in HEADS.items()]
    changed = {"heads": heads, "targets": targets, "joint": joint, "golden": []}
    info = BundleInfo.model_validate_json(json.dumps({**whole, **changed}))
    rng = np.random.default_rng(1)
    logits = {name: rng.normal(0, 2, (1, n)).astype(np.float32) for name, (_, n) in HEADS.items()}
    want = compose(logits, info)
    script = """async ([logits, info]) => {
      const { compose, describe } = await import('./compose.js');
      const composed = compose(logits, info);
      return { ...composed, row: describe('photo', composed, info) };
    }"""
    got = page.evaluate(
        script, [{name: each[0].tolist() for name, each in logits.items()}, info.model_dump(mode="json")]
    )
    assert tuple(got["classes"]) == want.classes
    assert got["whole"] == pytest.approx(want.probabilities_NK[0].tolist(), abs=1e-9)
    for name, each_NK in (want.by_target | want.factors).items():
        assert (got["targets"] | got["factors"])[name] == pytest.approx(each_NK[0].tolist(), abs=1e-9)
    if case == "several labels":
        given = {want.classes[k] for k in range(3) if want.probabilities_NK[0, k] >= (0.2, 0.5, 0.9)[k]}
        assert {each["label"] for each in got["row"]["labels"]} == given


@pytest.mark.parametrize("bits", [16, 4])
def test_strangeness_is_that_of_python(page: Any, bits: int) -> None:
    rng = np.random.default_rng(2)
    numbers = {"centre": (21,), "scale": (21,), "basis": (6, 21), "whiten": (6, 6), "mean": (3, 6), "weights": (2,)}
    arrays = {
        name: rng.uniform(0.2, 1, shape).astype(np.float16 if name == "basis" else np.float32)
        for name, shape in numbers.items()
    }
    if bits == 4:
        arrays["basis"] = pack_levels(rng.integers(-7, 8, (6, 21)).astype(np.int8))
    familiar = Familiar(*arrays.values())
    embedding_ND = rng.normal(0, 1, (1, 21)).astype(np.float32)
    script = f"""async ([text, embedding]) => {{
      const {{ readTensors }} = await import('./tensors.js');
      return (await import('./strangeness.js')).strangeness(embedding, readTensors(({BYTES}).buffer));
    }}"""
    got = page.evaluate(script, [as_text(familiar_file(familiar)), embedding_ND[0].tolist()])
    assert got == pytest.approx(float(strangeness(embedding_ND, familiar)[0]), rel=1e-4)


# ------------------------------------------------------------------ what people do


def upload(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


def test_one_photo_is_answered_without_a_connection(visit: Any, photo_folder: Path) -> None:
    path = next(photo_folder.rglob("*.jpg"))
    visit.locator("#check.is-same").wait_for()
    visit.context.set_offline(True)
    visit.set_input_files("#files", str(path))
    visit.locator("#answer .label").wait_for()
    assert visit.locator("#file-name").text_content() == path.name
    assert visit.locator("#told").text_content().strip()
    assert visit.locator("#photo").evaluate("(each) => each.naturalWidth") == 64


def test_many_photos_become_a_table_and_a_csv(visit: Any, photo_folder: Path, tiny_classifier: Classifier) -> None:
    paths = sorted(photo_folder.rglob("*.jpg"))[::15]
    broken = upload("=broken.jpg", b"nothing")
    visit.set_input_files("#files", [*(upload(path.name, path.read_bytes()) for path in paths), broken])
    visit.locator("#download:enabled").wait_for()
    with visit.expect_download() as download:
        visit.get_by_role("button", name="Download as CSV").press("Enter")
    rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert [row["label"] for row in rows[:-1]] == [each.label for each in tiny_classifier.predict_each(paths)]
    assert (rows[-1]["file"], rows[-1]["status"]) == ("'=broken.jpg", "rejected")
    visit.get_by_role("button", name=paths[1].name).press("Enter")
    assert visit.locator("#answer .label").is_visible() and visit.locator("#many").is_visible()


def test_the_camera_is_answered_live_and_ends(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder, permissions=["camera"]) as page:
        page.get_by_role("button", name="Live camera").click()
        page.locator("#live-answer .answer").wait_for()
        page.get_by_role("button", name="Stop").click()
        assert page.locator("#live").is_hidden()
        assert page.locator("#video").evaluate("(each) => each.srcObject") is None


def test_a_korean_phone_in_the_dark(chromium: Any, folder: Path, photo_folder: Path) -> None:
    phone = {
        "viewport": {"width": 390, "height": 844},
        "locale": "ko-KR",
        "color_scheme": "dark",
        "has_touch": True,
        "is_mobile": True,
    }
    with opened(chromium, folder, **phone) as page:
        assert page.locator("h1").text_content() == "이 사진은 무엇일까요?"
        page.set_input_files("#files", [str(path) for path in sorted(photo_folder.rglob("*.jpg"))[:3]])
        page.locator("#download:enabled").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("document.documentElement.lang") == "ko"


def test_both_languages_say_the_same_things(page: Any) -> None:
    text = (Path(photograft.__file__).parent / "pages" / "web" / "words.js").read_text("utf-8")
    words = text.partition("addTexts(")[2].rpartition(");")[0]
    keys = page.evaluate(f"Object.values({words}).map((each) => Object.keys(each))")
    assert keys[0] == keys[1]


def test_opened_as_a_file_it_says_what_to_do(chromium: Any, folder: Path) -> None:
    page = chromium.new_page()
    page.goto((folder / "index.html").as_uri())
    note = page.locator("#not-started")
    note.evaluate("(each) => Promise.all(each.getAnimations().map((animation) => animation.finished))")
    assert note.evaluate("(each) => getComputedStyle(each).opacity") == "1"
    assert "python -m http.server" in note.text_content() and "웹 서버" in note.text_content()
    assert not page.locator("#choose").is_visible()
    page.close()


def test_a_missing_file_is_named(chromium: Any, bundle_copy: Path, tmp_path: Path) -> None:
    folder = export_page(bundle_copy, tmp_path / "page")
    next((folder / "model" / "networks").glob("*.onnx")).unlink()
    with served(folder) as address:
        page = chromium.new_page()
        page.goto(address)
        page.locator("#problem:not([hidden])").wait_for()
        assert ".onnx: 404" in page.locator("#problem").text_content()
        page.close()


def test_the_command_line_exports_it(tiny_run: TrainedRun, tmp_path: Path) -> None:
    export_page(tiny_run.bundle, tmp_path / "first")  # so that the runtime is in the cache
    command = [
        sys.executable,
        "-m",
        "photograft",
        "export",
        str(tiny_run.run),
        "--to",
        "web",
        "--out",
        str(tmp_path / "내 page"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "MB" in done.stdout
    assert (tmp_path / "내 page" / "index.html").is_file() and (tmp_path / "내 page" / "HOSTING.md").is_file()
