"""Korean pages, every kind of them: no English sentence is left on one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from photograft.config import Config, as_document
from photograft.evaluation.reconstruction import Error
from photograft.reporting.check_page import render_check
from photograft.reporting.compare_page import render_compare
from photograft.reporting.page import render_html
from photograft.reporting.pretrain_page import Pretrained, build_pretrained, render_pretrained
from photograft.reporting.study_page import render_study
from photograft.reporting.tune_page import render_tune
from photograft.values import Issue
from photograft.workflow.render import report
from photograft.workflow.train import TrainedRun

from .check_examples import make_check
from .compare_examples import make_compare
from .composite_examples import make_factor_report, make_labels_report
from .examples import make_report
from .study_examples import make_study
from .test_tune import make_search
from .training_examples import make_training

# Names, units and what has no Korean word: the same in a Korean sentence.
NAMES = re.compile(
    r"photograft|BatchNorm|RandAugment|mixup|cutmix|ONNX|JPEG|EXIF|AUROC|ECE|mAP|AP|F1|macro-F1|micro-F1|McNemar|Keras"
    r"|model 1, a small CNN from random weights"  # a recipe speaks its own language
    r"|hf download [^ ]+ [^`]+|PED-ANOVA|TPE|bicubic|csv|svg|px|dB|GB|MB|ms|class activation|occlusion"
    r"|timm/[^ ]+ [^ ]+"
)
SENTENCE = re.compile(r"(?:[A-Za-z]{2,} ){2,}[a-z]{2,}")
"""Three English words in a row: a phrase, where class names, settings and files are single words."""
COMMAND = re.compile(r"photograft [a-z]+( [A-Z]+| --?[a-z-]+| [\w/.-]+)*|--[a-z]+ \w+|n = ")


class _Text(HTMLParser):
    """What a reader reads: texts, titles of figures, descriptions of pictures; not code, names of files, settings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language, self.texts, self._hidden = "", [], [""]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = values["lang"]
        assert values.get("lang", "ko") == "ko", f"<{tag}> in another language"
        self.texts += [values[name] for name in ("alt", "aria-label") if values.get(name)]
        if tag in ("style", "code", "pre") or values.get("class") == "path":
            self._hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden[-1]:
            self._hidden.pop()

    def handle_data(self, data: str) -> None:
        if len(self._hidden) == 1 and data.strip():
            self.texts.append(" ".join(data.split()))


def find_english(html: str) -> list[str]:
    """The texts of a Korean page in which an English phrase is left."""
    page = _Text(html)
    assert page.language == "ko"
    assert sum(bool(re.search("[가-힣]", text)) for text in page.texts) > 10
    return [text for text in page.texts if SENTENCE.search(COMMAND.sub("", NAMES.sub("", text)))]


def draw_report(**changes: Any) -> str:
    issues = [
        Issue("label_conflict", ("a/1.jpg", "b/1.jpg"),
              "a/1.jpg, b/1.jpg: the same picture under different labels (a, b)",
              "Decide which label is right and remove or move the other copies."),
        Issue("odd_shape", ("a/2.jpg",), "a/2.jpg is much longer than wide, or wider than long, than the others",
              "Crop to what matters, or see that nothing is lost."),
    ]  # fmt: skip
    warnings = ["Some photos are duplicates of each other: the 90 photos are worth about 60 independent ones, and the "
                "interval of the accuracy rests on that number."]  # fmt: skip
    given = {"issues": issues, "warnings": warnings, "test_openings": 5, "repeats": (0.9, 0.91), "language": "ko"}
    return render_html(make_report(("장미", "튤립", "국화"), 240, **(given | changes)), thumbnails={})


def draw_check() -> str:
    issues = [
        Issue("dark", ("a/000.jpg", "a/001.jpg"), "2 photos are very dark, for example a/000.jpg",
              "Look at them, and leave out those in which nothing can be recognised."),
        Issue("small_class", (), "국화 has only 12 photos",
              "Collect at least 50 of each; scores of such a class are a guess until then."),
    ]  # fmt: skip
    notes = ["left out without being read: 3 .txt files, 7 hidden or system files and folders"]
    return render_check(make_check(issues, notes=notes) | {"language": "ko"}, {})


def draw_pretrained() -> str:
    errors = {name: Error(0.01, 0.009, 0.011) for name in ("model", "mean_colour", "quarter", "trained")}
    result = Pretrained(
        run="r", backbone="cnn:8-16", px=64, photos={"train": 90, "held_out": 10}, errors=errors, kept=100, given=1000,
        epochs=2, seconds=75.0, split_given=False, next_command="photograft train PHOTOS",
    )  # fmt: skip
    return render_pretrained(build_pretrained(result, as_document(Config()), language="ko"), (), sheet=b"")


PAGES: dict[str, Callable[[], str]] = {
    "report": draw_report,
    "fine-tuned": lambda: draw_report(training=make_training()),
    "few photos": lambda: render_html(make_report(("a", "b"), 12, language="ko"), thumbnails={}),
    "factors": lambda: render_html(make_factor_report(language="ko"), thumbnails={}),
    "labels": lambda: render_html(make_labels_report(language="ko"), thumbnails={}),
    "check": draw_check,
    "compare": lambda: render_compare(make_compare(("장미", "튤립", "국화"), ["가", "나"], language="ko")),
    "study": lambda: render_study(make_study(6, language="ko"), sheets={}),
    "tune": lambda: render_tune(make_search(language="ko")),
    "pretrain": draw_pretrained,
}


@pytest.mark.parametrize("name", PAGES)
def test_no_english_is_left(name: str) -> None:
    assert find_english(PAGES[name]()) == []


def test_english_is_found() -> None:
    html = draw_report(warnings=["A sentence that no form is known of."])
    assert find_english(html) == ["A sentence that no form is known of."]


def test_a_run_speaks_korean_when_asked_for(tiny_run: TrainedRun, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run.run, tmp_path / "실행 사본"))
    before = (run / "report.json").read_bytes()
    html = report(run, language="ko").read_text("utf-8")
    assert find_english(html) == []
    assert "교차 검증" in html
    assert (run / "report.json").read_bytes() == before
    assert '<html lang="en">' in report(run).read_text("utf-8")  # as it was trained
