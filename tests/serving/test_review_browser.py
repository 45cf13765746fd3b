"""The review page in real Chromium: keys, Hangul, phone width, and the journal that comes of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from photograft.data.edits import read_edits
from photograft.tracking.run_folder import RunFolder

from .drawn_runs import CLASSES, make_run, serving_here

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
MANY = tuple(f"품종 {i:03} breed" for i in range(120))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(
    chromium: Any, run: RunFolder, *, size: dict[str, int] = DESKTOP, locale: str = "en-US", **options: Any
) -> Iterator[Any]:
    """The page in a window, which must have had nothing to complain about and asked nobody else for anything."""
    with serving_here(run, **options) as address:
        context = chromium.new_context(locale=locale, viewport=size)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.failure}: {request.url}"))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.locator("#picture img").or_(page.locator("#end")).first.wait_for()
        yield page
        context.close()
    origin = address.partition("?")[0]
    # What is given up is pictures that were left before they came.
    assert [each for each in complaints if "ERR_ABORTED" not in each or "/photos/" not in each] == []
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []


def saved(page: Any) -> None:
    page.get_by_text("Saved", exact=True).or_(page.get_by_text("저장됨", exact=True)).wait_for()


def rows(run: RunFolder) -> list[tuple[str, str, str]]:
    journal = run.path.parent.parent / "edits.csv"
    return [(row.action, row.path.partition("/")[2], row.value) for row in read_edits(journal).rows]


def question(page: Any) -> str:
    return str(page.locator("#question").text_content())


def test_a_whole_session_with_the_keyboard(chromium: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with opened(chromium, run) as page:
        keys, text = page.keyboard, page.locator
        assert page.url.endswith("/") and "token" not in page.url
        assert page.title().startswith("2026-01-02-나의 사진")
        assert question(page) == "Is this “노란 튤립”?"  # the worst, one of a pair under different labels
        assert "another label" in text("#why").text_content()
        assert text("#copies li p").first.text_content() == "해바라기"
        keys.press("k")
        assert question(page) == "Is this “해바라기”?"
        keys.press("Enter")
        keys.press("1")  # sun flower is rather a daisy
        keys.press("x")
        assert question(page) == "Is this “=데이지;<b>”?"
        keys.press("s")
        keys.press("ArrowLeft")
        keys.press("ArrowRight")
        keys.press("r")
        keys.type("SUN")
        keys.press("Enter")
        keys.press("u")  # takes back what was typed last, and shows that photo again
        assert question(page) == "Is this “노란 튤립”?"
        keys.press("2")
        keys.press("Control+z")
        keys.press("ArrowRight")
        keys.press("r")
        keys.press("Escape")
        keys.press("9")  # there are only four others
        keys.press("Control+k")
        assert question(page) == "Is this “sun flower”?"
        keys.press("?")
        assert text("#help").is_visible()
        keys.press("x")  # helps nobody while the help is open
        keys.press("Escape")
        keys.press("k")
        keys.press("k")
        assert text("#end-title").text_content() == "2 of 8 photos are still open"
        text("#commands code").first.wait_for()
        assert "4 kept, 1 relabelled, 1 excluded" in text("#end-counts").text_content()
        assert "photograft train" in text("#commands").text_content()
        keys.press("ArrowLeft")
        assert text("#state").text_content() == "Kept"
    second = CLASSES[CLASSES.index("노란 튤립") + 2]
    assert rows(run) == [
        ("keep", "사진 0.jpg", "노란 튤립"),
        ("keep", "사진 3.jpg", "해바라기"),
        ("relabel", "사진 1.jpg", "daisy"),
        ("exclude", "사진 2.jpg", ""),
        ("relabel", "사진 5.jpg", "sun flower"),
        ("undo", "사진 5.jpg", "6"),
        ("relabel", "사진 5.jpg", second),
        ("undo", "사진 5.jpg", "8"),
        ("keep", "사진 6.jpg", "sun flower"),
        ("keep", "사진 7.jpg", "daisy"),
    ]
    with opened(chromium, run) as page:  # goes on where it was left
        assert question(page) == "Is this “=데이지;<b>”?"
        assert page.locator("#position").text_content() == "5 of 8"


def test_hangul_is_typed_by_an_input_method(chromium: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path, conflict=False)
    with opened(chromium, run, locale="ko-KR") as page:
        assert question(page) == "“노란 튤립” 맞나요?"
        assert page.locator("html").get_attribute("lang") == "ko"
        typing = page.context.new_cdp_session(page)
        page.keyboard.press("r")
        found = page.locator("#classes li")
        for composed, first in (("ㅎ", "해바라기"), ("해", "해바라기"), ("햅", "해바라기"), ("해바", "해바라기")):
            typing.send("Input.imeSetComposition", {"text": composed, "selectionStart": 1, "selectionEnd": 1})
            assert found.first.text_content() == first
        composing = {"type": "keyDown", "key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
        typing.send("Input.dispatchKeyEvent", composing)  # Enter ends the syllable, and nothing is chosen yet
        assert page.locator("#field").is_visible()
        typing.send("Input.insertText", {"text": "해바라"})
        page.keyboard.press("Enter")
        assert question(page) == "“sun flower” 맞나요?"
        # With Hangul switched on the key K is a vowel, and still means to keep.
        vowel = {"type": "keyDown", "key": "ㅏ", "code": "KeyK", "windowsVirtualKeyCode": 75}
        typing.send("Input.dispatchKeyEvent", vowel)
        assert question(page) == "“daisy” 맞나요?"
        page.keyboard.press("r")
        page.keyboard.insert_text("ㄴㄹㅌㄹ")  # the first letters of its syllables
        assert found.all_text_contents()[0] == "새 클래스 “ㄴㄹㅌㄹ”"
        page.locator("#class").fill("ㄴㄹ ㅌㄹ")
        assert found.all_text_contents() == ["노란 튤립", "새 클래스 “ㄴㄹ ㅌㄹ”"]
        page.locator("#class").fill("수국")
        page.keyboard.press("Enter")  # a slip makes no new class
        assert page.locator("#field").is_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        saved(page)
    assert rows(run) == [
        ("relabel", "사진 0.jpg", "해바라기"),
        ("keep", "사진 1.jpg", "sun flower"),
        ("relabel", "사진 2.jpg", "수국"),
    ]


def test_a_phone_is_wide_enough_and_fingers_do_as_well(chromium: Any, tmp_path: Path) -> None:
    long = ("a_very_long_class_name_without_any_space_in_it_at_all_" * 2, "노란 튤립", "<b>")
    run = make_run(tmp_path, classes=long, n=6)
    with opened(chromium, run, size=PHONE, locale="ko-KR") as page:
        for _ in range(2):
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            page.locator("#other").click()
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            page.locator("#classes li").first.click()
        page.locator("#exclude").click()
        page.locator("#undo").click()
        page.locator("#keep").click()
        page.locator("#skip").click()
        page.locator("#likely button").first.click()
        page.locator("#skip").click()
        saved(page)
        page.locator("#commands code").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        smallest = page.evaluate(
            "Math.min(...[...document.querySelectorAll('#end button')].map(b => b.offsetHeight || 99))"
        )
        assert smallest >= 40
        page.locator("#stop").click()
        page.get_by_text("검토를 끝냈습니다").wait_for()
    assert len(rows(run)) == 6


def test_a_hundred_and_twenty_classes(chromium: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path, classes=MANY, n=5, conflict=False)
    with opened(chromium, run, size=PHONE) as page:
        assert page.locator("#likely button").count() == 3  # all others are hardly possible
        page.keyboard.press("r")
        assert page.locator("#classes li").count() == 120
        page.keyboard.type("117")
        assert page.locator("#classes li").all_text_contents()[0] == MANY[117]
        page.keyboard.press("Enter")
        page.keyboard.press("3")
        saved(page)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert rows(run)[0] == ("relabel", "사진 0.jpg", MANY[117]) and rows(run)[1][0] == "relabel"


def test_several_labels_are_switched_and_saved(chromium: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path, several=True, conflict=False)
    with opened(chromium, run) as page:
        pressed = page.locator("#likely button[aria-pressed=true]")
        assert pressed.all_text_contents() == ["1노란 튤립10\u00a0%"]
        page.keyboard.press("2")
        assert pressed.count() == 2 and page.locator("#keep").text_content() == "KSave these labels"
        page.keyboard.press("Enter")
        page.keyboard.press("k")
        saved(page)
    assert rows(run) == [
        ("relabel", "사진 0.jpg", '["노란 튤립", "sun flower"]'),
        ("keep", "사진 1.jpg", '["sun flower"]'),
    ]


def test_what_cannot_be_saved_is_said_and_asked_again(chromium: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path, conflict=False)
    journal = run.path.parent.parent / "edits.csv"
    complaints: list[str] = []
    with serving_here(run) as address:
        context = chromium.new_context()
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.locator("#picture img").wait_for()
        journal.write_text("path,label\n", "utf-8")
        page.keyboard.press("x")
        page.get_by_text("Not saved: The decision could not be written; the terminal says why.").wait_for()
        assert question(page) == "Is this “노란 튤립”?" and page.locator("#state").text_content() == ""
        journal.unlink()
        page.keyboard.press("x")
        saved(page)
        context.close()
    assert rows(run) == [("exclude", "사진 0.jpg", "")] and complaints == []


def test_the_next_photo_is_there_at_once(chromium: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path, n=6, conflict=False)
    fetched = """async () => {
      const there = () => { const picture = pictures.get(items[at + 1].id); return picture && picture.complete; };
      while (!there()) await pause(20);
    }"""
    measure = """() => {
      const start = performance.now();
      document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k' }));
      const picture = document.querySelector('#picture img');
      return [performance.now() - start, picture.complete && picture.naturalWidth];
    }"""
    with opened(chromium, run) as page:
        for _ in range(3):
            page.evaluate(fetched)
            taken_ms, width = page.evaluate(measure)
            assert taken_ms < 100 and width == 240
        saved(page)
    assert [row[0] for row in rows(run)] == ["keep"] * 3
