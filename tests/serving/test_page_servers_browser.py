"""The page in real Chromium before several kinds of servers: with an index, several heads, limits, or gone."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photograft.models.bundle import read_bundle, seal_bundle
from photograft.workflow.search_build import build_index
from photograft.workflow.train import TrainedRun

from .page_windows import CHROMIUM, answer, choose, downloaded, finished, opened, serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium"),
]


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


def test_a_photo_has_the_status_of_the_first_head(
    chromium: Any, tiny_run: TrainedRun, bundle_copy: Path, tulip: Path, noise: Path
) -> None:
    """Of two heads, the second of which takes every photo for unfamiliar."""
    info = read_bundle(bundle_copy).info
    assert info.decisions.unfamiliar is not None
    nothing = info.decisions.unfamiliar.model_copy(update={"limit": 0.0})
    strict = info.decisions.model_copy(update={"unfamiliar": nothing})
    seal_bundle(bundle_copy, info.model_copy(update={"decisions": strict}))
    with serving(tiny_run.bundle, bundle_copy) as address, opened(chromium, address) as page:
        choose(page, tulip, noise)
        finished(page)
        assert page.locator("#told").inner_text() == "All 2 photos are done: 1 answered, 1 unfamiliar."
        assert page.locator(".state").all_inner_texts() == ["answered", "unfamiliar"]
        first, second = page.locator(".answer-cell").first.locator("div").all_inner_texts()
        assert (first, second) == ("노란 튤립", "노란 튤립? unfamiliar")
        page.get_by_role("button", name="answered 1").click()
        assert page.locator("#rows tr").locator("visible=true").count() == 1


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
