"""The page of the server in real Chromium, with a real model behind it."""

from __future__ import annotations

import base64
import csv
import io
import queue
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft.config.serve import serve_config
from photograft.serving.serve import serve
from photograft.workflow.search_build import build_index
from photograft.workflow.train import TrainedRun

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *camera])
        yield browser
        browser.close()


@contextmanager
def serving(*models: Path, limits: tuple[str, ...] = (), **options: Any) -> Iterator[str]:
    """The server in a thread, and its address."""
    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    ended = threading.Event()
    given = {"port": 0, "opened": addresses.put, "ended": ended, "config": serve_config(limits), **options}
    thread = threading.Thread(target=serve, args=(list(models),), kwargs=given, daemon=True)
    thread.start()
    try:
        yield addresses.get(timeout=60)
    finally:
        ended.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def address(tiny_run: TrainedRun) -> Iterator[str]:
    with serving(tiny_run.bundle) as found:
        yield found


@contextmanager
def opened(
    chromium: Any, address: str, *, size: dict[str, int] = DESKTOP, quiet: bool = True, **options: Any
) -> Iterator[Any]:
    """The page in a window, which asks nobody else for anything and, where `quiet`, has nothing to complain about."""
    context = chromium.new_context(**{"locale": "en-US", "viewport": size, "accept_downloads": True, **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"{request.failure}: {request.url}"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("#tested:not(:empty)").wait_for()
    yield page
    context.close()
    origin = address.partition("?")[0]
    assert [url for url in asked if not url.startswith((origin, f"blob:{origin}"))] == []
    wrong = [each for each in complaints if "Content Security" in each or each.startswith("error: ")]
    assert (complaints if quiet else wrong) == []


def choose(page: Any, *files: Path) -> None:
    page.set_input_files("#files", [str(each) for each in files])


def answer(page: Any, kind: str = "ok") -> str:
    """The headline once an answer of a kind is there."""
    label = page.locator(f"#answers .is-{kind} .label")
    label.first.wait_for()
    return str(label.first.inner_text())


def finished(page: Any) -> None:
    page.locator("#progress").wait_for(state="hidden")
    page.locator("#rows tr").first.wait_for()


def downloaded(page: Any) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.locator("#download").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "잡음.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def tulip(photo_folder: Path) -> Path:
    return photo_folder / "노란 튤립" / "노란 튤립 00.jpg"


def test_one_photo(chromium: Any, address: str, tulip: Path) -> None:
    with opened(chromium, address) as page:
        assert page.locator("h1").inner_text() == "What does this photo show?"
        assert "Tells 3 classes apart: daisy, sun flower, 노란 튤립." in page.locator("#knows").inner_text()
        told = "Right on 100 % of 60 photos that it had not seen (95 % interval 94 % to 100 %)."
        assert page.locator("#tested").inner_text().replace("\u00a0", " ") == told
        choose(page, tulip)
        assert answer(page) == "노란 튤립"
        assert page.locator(".share").inner_text().endswith(">\u00a099\u00a0%")
        assert page.locator("#told").inner_text() == "노란 튤립, >\u00a099\u00a0%."  # what a screen reader says
        assert page.locator("#file-name").inner_text() == tulip.name
        assert page.title().startswith("노란 튤립 – ")
        bars = page.locator(".bars li")
        assert bars.count() == 3 and bars.locator("visible=true").count() == 1
        page.locator("summary", has_text="2 more, each below 1").click()
        assert bars.locator("visible=true").count() == 3
        page.locator("#about summary").click()
        assert "photos like those that it was tested on" in page.locator("#facts").inner_text()
        assert page.evaluate("document.getElementById('photo').naturalWidth") == 64  # drawn here, from the file


def test_what_the_model_does_not_know(chromium: Any, tiny_run: TrainedRun, tulip: Path, noise: Path) -> None:
    with serving(tiny_run.bundle, min_probability=0.99999) as address, opened(chromium, address) as page:
        choose(page, noise)
        assert answer(page, "unfamiliar") == "Like nothing it has learned"
        assert "may mean nothing" in page.locator(".meaning").inner_text()
        assert "It knows only daisy, sun flower, 노란 튤립." in page.locator(".remedy").inner_text()
        assert page.locator(".bars").is_hidden()  # a high probability would be believed
        choose(page, tulip)
        assert answer(page, "unsure") == "노란 튤립?"
        assert "not sure of this one" in page.locator(".meaning").inner_text()


def test_several_heads(chromium: Any, tiny_run: TrainedRun, bundle_copy: Path, tulip: Path, noise: Path) -> None:
    second = bundle_copy.rename(bundle_copy.with_name("둘째"))
    with serving(tiny_run.bundle, second) as address, opened(chromium, address) as page:
        assert page.locator("#knows").inner_text().startswith("Answers 2 questions about a photo: ")
        assert page.locator("#tested").inner_text().count("Right on") == 2
        choose(page, tulip)
        assert answer(page) == "노란 튤립"
        assert page.locator("#answers .head-name").all_inner_texts()[1] == "둘째"
        choose(page, tulip, noise)
        finished(page)
        assert page.locator(".answer-cell").first.locator("div").count() == 2
        header = downloaded(page)[1].decode("utf-8-sig").partition("\r\n")[0]
        assert "둘째 label" in header.split(",") and "status" not in header.split(",")


def test_a_file_that_is_no_photo(chromium: Any, address: str, tmp_path: Path, tulip: Path) -> None:
    letter = tmp_path / "편지 <b>.jpg"
    letter.write_text("안녕하세요")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(tulip.read_bytes()[:700])
    with opened(chromium, address) as page:
        choose(page, letter)
        assert answer(page, "rejected") == "This is not a picture."
        assert page.locator(".remedy").inner_text().startswith("Choose a photo: JPEG")
        assert page.locator("#file-name").inner_text() == letter.name
        assert page.locator("#heat-line").is_hidden()
        choose(page, cut)
        page.get_by_role("heading", name="The file ends before the picture does.").wait_for()
        choose(page, tulip)
        assert answer(page) == "노란 튤립"  # and nothing is left of what went before
        assert page.locator("#no-photo").is_hidden()


def test_photos_are_pasted_and_dropped(chromium: Any, address: str, photo_folder: Path) -> None:
    daisy = photo_folder / "daisy" / "daisy 04.png"
    copy = """async (text) => {
      const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) })]);
    }"""
    drop = """([name, text]) => {
      const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name, { type: 'image/jpeg' }));
      const options = { dataTransfer, bubbles: true, cancelable: true };
      const fire = (kind) => document.body.dispatchEvent(new DragEvent(kind, options));
      fire('dragenter');
      const veiled = getComputedStyle(document.getElementById('drop-veil')).display !== 'none';
      fire('drop');
      return veiled;
    }"""
    with opened(chromium, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.evaluate(copy, base64.b64encode(daisy.read_bytes()).decode())
        page.keyboard.press("Control+v")
        assert answer(page) == "daisy"
        assert page.locator("#file-name").inner_text() == "pasted picture"
        flower = photo_folder / "sun flower" / "sun flower 01.jpg"
        assert page.evaluate(drop, [flower.name, base64.b64encode(flower.read_bytes()).decode()])
        page.get_by_role("heading", name="sun flower").wait_for()
        assert page.locator("#drop-veil").is_hidden()


def test_the_camera(chromium: Any, address: str) -> None:
    with opened(chromium, address, permissions=["camera"]) as page:
        page.get_by_role("button", name="Take a photo").click()
        page.locator("#snap").wait_for()
        page.locator("#camera-close").click()
        page.locator("#camera").click()
        playing = "document.getElementById('video').videoWidth"
        while not page.evaluate(playing):
            page.wait_for_timeout(20)
        page.locator("#snap").click()
        page.locator("#answers .label").wait_for()
        assert page.locator("#file-name").inner_text() == "from the camera"
        assert page.evaluate("document.getElementById('video').srcObject") is None  # the camera is off again
    with opened(chromium, address, size=PHONE, has_touch=True, is_mobile=True) as page:
        assert page.locator("#camera").is_hidden() and page.locator("#shot-label").is_visible()
        assert page.locator("#shot").get_attribute("capture") == "environment"


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_where_it_looked_in_turned_photos(chromium: Any, address: str, tmp_path: Path, kind: str) -> None:
    """A shape that lies in the lower right of the upright photo is hot there, however the file holds it."""
    photo = Image.new("RGB", (120, 200), (90, 90, 90))
    photo.paste((250, 210, 20), (70, 130, 110, 180))
    turns = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90}
    heat = """() => {
      const canvas = document.querySelector('canvas.heat');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const box = (each) => document.querySelector(each).getBoundingClientRect();
      const [photo, map] = [box('#photo'), box('canvas.heat')];
      let [x, y, all] = [0, 0, 0];
      for (let i = 0; i < data.length / 4; i += 1) {
        x += data[4 * i + 3] * (i % canvas.width + 0.5);
        y += data[4 * i + 3] * (Math.floor(i / canvas.width) + 0.5);
        all += data[4 * i + 3];
      }
      const covers = Math.abs(photo.width - map.width) + Math.abs(photo.height - map.height) < 1;
      return [document.querySelector('#photo').naturalWidth, x / all / canvas.width, y / all / canvas.height, covers];
    }"""
    with opened(chromium, address) as page:
        for orientation, turn in turns.items():
            path = tmp_path / f"turned {orientation}.{kind}"
            exif = Image.Exif()
            exif[0x112] = orientation
            photo.transpose(turn).save(path, exif=exif)
            choose(page, path)
            page.locator("#file-name", has_text=path.name).wait_for()
            page.locator("#answers .label").wait_for()
            page.locator("#heat").click()
            page.locator("canvas.heat").wait_for()
            width, x, y, covers = page.evaluate(heat)
            assert width == 120 and covers
            assert x > 0.5 and y > 0.5
            page.locator("#heat").click()
            assert page.locator("canvas.heat").count() == 0


def test_where_it_looked_for_another_answer(chromium: Any, address: str, tulip: Path) -> None:
    with opened(chromium, address) as page:
        choose(page, tulip)
        answer(page)
        page.get_by_role("button", name="Where it looked").click()
        page.get_by_text("What speaks for “노란 튤립”.").wait_for()
        assert page.locator("#heat").get_attribute("aria-pressed") == "true"
        page.get_by_label("For which answer").select_option("daisy")
        page.get_by_text("What speaks for “daisy”.").wait_for()


def test_similar_photos(chromium: Any, tiny_run: TrainedRun, photo_folder: Path, tulip: Path, tmp_path: Path) -> None:
    index = tmp_path / "색인"
    build_index(tiny_run.bundle, [photo_folder], index=index)
    with serving(tiny_run.bundle, index=index) as address, opened(chromium, address) as page:
        choose(page, tulip)
        page.locator("#similar").wait_for()
        assert page.locator("#similar-title").inner_text() == "Most similar of 60 photos"
        tiles = page.locator("#matches li")
        assert tiles.count() == 12
        assert tiles.first.locator(".match-label").inner_text() == "노란 튤립"
        assert tulip.name in tiles.first.locator(".path").get_attribute("title")
        tiles.last.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        widths = "[...document.querySelectorAll('#matches img')].map((each) => each.naturalWidth)"
        assert min(page.evaluate(widths)) > 0
        assert page.locator("#matches").inner_text().count("same kind") in (0, 12)


def test_many_photos_as_a_table_and_a_file(
    chromium: Any, address: str, photo_folder: Path, noise: Path, tmp_path: Path
) -> None:
    evil = tmp_path / '=HYPERLINK("a";"b"), 사진.jpg'
    shutil.copy(photo_folder / "daisy" / "daisy 01.jpg", evil)
    text = tmp_path / "글.txt"
    text.write_text("not a photo")
    photos = [*sorted(photo_folder.rglob("*.jpg"))[::5], evil, noise, text]
    with opened(chromium, address) as page:
        choose(page, *photos)
        finished(page)
        lines = page.locator("#rows tr")
        assert lines.count() == len(photos)
        assert page.locator("#many-title").inner_text() == f"{len(photos)} photos"
        assert page.locator("#told").inner_text().endswith("1 unfamiliar, 1 not read.")
        name, content = downloaded(page)
        assert name.startswith("photograft-20") and name.endswith(".csv")
        assert content.startswith(b"\xef\xbb\xbffile,status,label,probability,reason\r\n")
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert [row["file"] for row in rows] == [
            f"'{each.name}" if each == evil else each.name for each in photos
        ]  # no spreadsheet takes a name for a formula
        assert [row["status"] for row in rows[-2:]] == ["unfamiliar", "rejected"]
        assert all(row["label"] == path.parent.name for row, path in zip(rows, photos[:-3], strict=False))
        assert 0.9 < float(rows[0]["probability"]) <= 1 and rows[-1]["reason"].startswith("not_an_image: ")

        page.get_by_role("button", name="unfamiliar 1").click()
        assert lines.locator("visible=true").count() == 1
        page.get_by_role("button", name=f"all {len(photos)}").click()
        page.get_by_role("button", name=evil.name).click()
        assert answer(page) == "daisy"
        page.locator("#after").click()
        assert answer(page, "unfamiliar") and page.locator("#file-name").inner_text() == noise.name
        page.locator("#back").click()
        assert page.evaluate("document.activeElement.textContent") == noise.name
        painted = "Math.max(...[...document.querySelectorAll('#rows canvas')].slice(0, 3).map((each) => each.width))"
        assert page.evaluate(painted) > 1  # small pictures


def test_a_table_is_stopped_and_goes_on(chromium: Any, address: str, photo_folder: Path) -> None:
    photos = sorted(photo_folder.rglob("*.jpg")) * 6
    with opened(chromium, address, quiet=False) as page:
        choose(page, *photos)
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped: ").wait_for()
        assert page.locator("#problem").is_hidden()  # it was meant
        page.get_by_role("button", name="Go on").click()
        finished(page)
        assert page.locator("#told").inner_text() == f"All {len(photos)} photos are done: {len(photos)} answered."
        page.locator("#rows button").nth(5).click()
        assert answer(page)
        page.go_back()
        assert page.locator("#many").is_visible() and page.locator("#one").is_hidden()
        page.locator("#rows tr").nth(7).click()
        assert answer(page)
        choose(page, photos[0])
        page.locator("#file-name", has_text=photos[0].name).wait_for()
        assert page.locator("#in-table").is_hidden()


def test_cells_are_quoted_as_spreadsheets_want_it(chromium: Any, address: str) -> None:
    rows = [
        {"name": 'a "b",\nc.jpg', "row": {"status": "ok", "label": "+1", "probability": 0.5, "reason": ""}},
        {"name": "＝x;y.jpg", "row": {"status": "rejected", "label": None, "probability": None, "reason": "@a"}},
    ]
    factor = {"mask": {"label": "없음", "probability": 0.25}}
    heads = {"모델 a": {"status": "ok", "label": "x", "probability": 1, "factors": factor}, "b": {"status": "unsure"}}
    several = [{"name": "c", "row": {"status": "ok", "label": "x", "probability": 1, "heads": heads}}]
    with opened(chromium, address) as page:
        text = page.evaluate("async (rows) => (await import('/assets/csv.js')).toCsv(rows)", rows)
        table = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        assert table[1:] == [
            ['a "b",\nc.jpg', "ok", "'+1", "0.500000", ""],
            ["'＝x;y.jpg", "rejected", "", "", "'@a"],
        ]
        text = page.evaluate("async (rows) => (await import('/assets/csv.js')).toCsv(rows)", several)
        header, line = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
        said = dict(zip(header, line, strict=True))
        assert said["모델 a mask"] == "없음" and said["모델 a mask probability"] == "0.250000"
        assert said["b status"] == "unsure" and "status" not in said


def test_korean_on_a_phone(chromium: Any, address: str, photo_folder: Path, tulip: Path, noise: Path) -> None:
    wide = "document.documentElement.scrollWidth"
    with opened(chromium, address, size=PHONE, locale="ko-KR", has_touch=True, is_mobile=True) as page:
        assert page.locator("html").get_attribute("lang") == "ko"
        assert page.locator("h1").inner_text() == "이 사진은 무엇일까요?"
        assert "처음 보는 사진 60장 가운데 100\u00a0%를 맞혔습니다" in page.locator("#tested").inner_text()
        assert page.evaluate(wide) == PHONE["width"]
        choose(page, tulip)
        assert answer(page) == "노란 튤립"
        assert page.evaluate(wide) == PHONE["width"]
        choose(page, noise)
        assert answer(page, "unfamiliar") == "배운 적 없는 사진"
        choose(page, noise, *sorted(photo_folder.rglob("*.jpg"))[:9])
        finished(page)
        assert page.locator("#filters button").all_inner_texts() == ["전체 10", "답함 9", "낯선 사진 1"]
        assert page.evaluate(wide) == PHONE["width"]
        left = page.locator("body").inner_text()
        assert not {"photos", "Choose", "Status", "answered"} & set(left.split())


def test_every_text_is_there_in_both_languages(chromium: Any, address: str) -> None:
    compare = """async () => {
      const texts = await import('/assets/texts.js');
      await import('/assets/words.js');
      const said = [...document.querySelectorAll('[data-say]')].map((each) => each.dataset.say);
      const labels = [...document.querySelectorAll('[data-say-label]')].map((each) => each.dataset.sayLabel);
      const of = (name) => Object.entries(texts.TEXTS[name]).map(([key, text]) =>
        [key, [...new Set(text.match(/[{]\\w+[}]/g) || [])].sort().join()].join(' '));
      return [of('en').sort(), of('ko').sort(), [...said, ...labels].filter((key) => !texts.knows(key))];
    }"""
    with opened(chromium, address) as page:
        english, korean, unknown = page.evaluate(compare)
        assert english == korean and unknown == []


def test_a_busy_server_is_asked_again(chromium: Any, tiny_run: TrainedRun, photo_folder: Path) -> None:
    with (
        serving(tiny_run.bundle, limits=("queue=1",)) as address,
        opened(chromium, address, quiet=False) as page,
    ):
        busy: list[int] = []
        page.on("response", lambda response: busy.append(response.status))
        choose(page, *sorted(photo_folder.rglob("*.jpg"))[:8])
        finished(page)
        assert 503 in busy  # two photos at once are one too many for this server
        assert page.locator("#told").inner_text() == "All 8 photos are done: 8 answered."
        assert page.locator("#problem").is_hidden()


def test_too_large_photos_are_not_even_sent(chromium: Any, tiny_run: TrainedRun, tmp_path: Path, tulip: Path) -> None:
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)).save(large)
    with serving(tiny_run.bundle, limits=("body_mb=0.2",)) as address, opened(chromium, address) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        choose(page, large)
        assert answer(page, "rejected") == "The file is too large."
        assert page.locator(".detail").inner_text() == "larger than 0.2\u00a0MB, the most that this server takes"
        assert [url for url in asked if "/v1/" in url] == []
        choose(page, large, tulip)
        finished(page)
        assert page.locator("#told").inner_text() == "All 2 photos are done: 1 answered, 1 not read."


def test_a_server_that_is_gone_and_comes_back(chromium: Any, tiny_run: TrainedRun, photo_folder: Path) -> None:
    photos = sorted(photo_folder.rglob("*.jpg"))[::4]
    with ExitStack() as first:
        address = first.enter_context(serving(tiny_run.bundle, token="one"))
        with opened(chromium, address, quiet=False) as page:
            assert "token" not in page.url
            port = int(page.evaluate("location.port"))
            first.close()
            choose(page, *photos)
            page.get_by_text("The server does not answer.").wait_for()
            with serving(tiny_run.bundle, token="two", port=port):
                page.get_by_role("button", name="Try again").click()
                page.get_by_text("The server wants its token.").wait_for()
                page.get_by_label("Token").fill("one")
                page.get_by_role("button", name="Enter").click()
                wrong = "document.getElementById('token').validationMessage"
                page.locator("#token:invalid").wait_for()
                assert page.evaluate(wrong) == "That is not the token."
                page.get_by_label("Token").fill("two")
                page.get_by_role("button", name="Enter").click()
                finished(page)
            assert page.locator("#told").inner_text() == f"All {len(photos)} photos are done: {len(photos)} answered."


def test_a_page_for_keyboards_and_screen_readers(chromium: Any, address: str, photo_folder: Path, tulip: Path) -> None:
    unnamed = """() => [...document.querySelectorAll('button, input, select, progress, img')]
      .filter((each) => each.checkVisibility() && !each.labels?.length && !each.textContent.trim()
        && !each.getAttribute('aria-label') && each.getAttribute('alt') === null).map((each) => each.outerHTML)"""
    with opened(chromium, address) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "files"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "camera"
        choose(page, tulip)
        answer(page)
        assert page.evaluate(unnamed) == []
        assert page.locator("#told").get_attribute("role") == "status"
        assert page.locator("#answers").get_attribute("aria-busy") == "false"
        choose(page, *sorted(photo_folder.rglob("*.jpg"))[:3])
        finished(page)
        assert page.evaluate(unnamed) == []
        page.locator("#rows button").first.focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "back"
        page.keyboard.press("Enter")
        assert page.locator("#many").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(chromium: Any, address: str, scheme: str, noise: Path, tulip: Path) -> None:
    with opened(chromium, address, color_scheme=scheme) as page:
        page.locator("#about summary").click()
        assert page.evaluate(FAINT) == []
        choose(page, noise)
        answer(page, "unfamiliar")
        assert page.evaluate(FAINT) == []
        choose(page, tulip, noise)
        finished(page)
        assert page.evaluate(FAINT) == []


FAINT = """() => {
  const channel = (value) => { const c = value / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const read = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = read(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const words = [...document.querySelectorAll('body *')].filter((each) => each.checkVisibility() && !each.disabled
    && [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return words.map((each) => {
    const [one, other] = [light(read(getComputedStyle(each).color)), light(ground(each))].sort((a, b) => b - a);
    return [(one + 0.05) / (other + 0.05), each.textContent.slice(0, 40)];
  }).filter(([contrast]) => contrast < 4.5);
}"""
