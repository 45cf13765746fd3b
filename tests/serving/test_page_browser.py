"""The page of the server in real Chromium: photos, tables, languages, keys, with a real model behind it."""

from __future__ import annotations

import base64
import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from .page_windows import CHROMIUM, PHONE, answer, choose, downloaded, finished, opened

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]


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


def test_factors_of_an_unfamiliar_photo_are_folded(chromium: Any, address: str) -> None:
    show = """async (status) => {
      const { showPrediction } = await import('/assets/show.js');
      const top = [{ label: 'wear', probability: 0.99 }, { label: 'none', probability: 0.01 }];
      const factors = { mask: { ...top[0], top }, age: { ...top[0], top } };
      document.body.replaceChildren(showPrediction({ status, label: 'wear', probability: 0.98, top, factors }));
    }"""
    with opened(chromium, address) as page:
        page.evaluate(show, "ok")
        assert page.locator(".bars").first.is_visible() and page.locator(".factor").count() == 2
        page.evaluate(show, "unfamiliar")
        assert page.locator(".factor").count() == 2 and page.locator(".factor:visible").count() == 0
        page.locator("summary").first.click()
        assert page.locator(".factor:visible").count() == 2


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
