"""A study as a document, as a page in two languages, as a figure, and on the terminal."""

from __future__ import annotations

import json
import re

import pytest

from photograft.reporting.study_curves import Line, study_curves_svg
from photograft.reporting.study_document import build_study, study_lines, variant_row
from photograft.reporting.study_page import render_study
from photograft.reporting.study_texts import study_texts_in

from .pages import HOSTILE, Page, check_self_contained
from .study_examples import LONG, REFUSED, make_recipe, make_report, make_study

ENGLISH = study_texts_in("en")


def test_document_holds_what_each_variant_came_to() -> None:
    document = make_study(2)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    first, _, random, failed, pretrained = document["variants"]
    assert (first["accuracy"], first["n"], first["photos"], first["minutes"]) == (0.5, 736, 3670, 4.1)
    assert 0 < first["trainable"] < first["parameters"]
    assert [len(curve["epoch"]) for curve in first["curves"]] == [4]
    assert (random["random_weights"], random["trainable"], random["curves"]) == (True, None, [])
    assert (failed["run"], failed["accuracy"]) == (None, None)
    assert (pretrained["minutes"], pretrained["pretraining"]["mse"], pretrained["n"]) == (1.5, 0.012, None)
    assert document["comparisons"][2]["sentence"].endswith("(they know different classes)")


def test_terminal_shows_a_table_and_the_comparisons() -> None:
    lines = study_lines(make_study(1, assignments=["train.epochs=1"]))
    assert re.fullmatch(r"variant +accuracy +95 % +macro-F1 +n +trained +minutes +source \(their data\)", lines[0])
    assert re.match(
        r"flowers-variant-0 lr=1e-0 +0\.500 +0\.470 to 0\.530 +0\.490 +736 +162,517 +4\.1 +test acc", lines[1]
    )
    assert re.match(r"flowers-vgg16 \(random weights\) +0\.240 .* linear head ", lines[2])
    assert "flowers-b beats flowers-a by 3.0 points (0.8 to 5.2), n = 736" in lines
    assert f"not compared: {REFUSED}" in lines
    assert f"{LONG} failed: data.boxes: <script>no boxes</script>" in lines
    assert lines[-1] == "Settings were changed (train.epochs=1): expected figures do not apply."


@pytest.mark.parametrize("language", ["en", "ko"])
def test_page_is_whole_and_harmless(language: str) -> None:
    recipes = [make_recipe(name, reproduces=name, source=name, expected=name) for name in HOSTILE]
    rows = [
        variant_row(recipe, title=recipe.name, run=recipe.name, report=make_report(0.7, epochs=3)) for recipe in recipes
    ]
    rows += [variant_row(recipe, title=recipe.name, error=recipe.name) for recipe in recipes]
    study = {"study": HOSTILE[0], "data": HOSTILE[1], "created": "2026-11-22", "assignments": HOSTILE, "planned": 99}
    html = render_study(build_study(**study, variants=rows, comparisons=[], language=language))  # type: ignore[arg-type]
    check_self_contained(html)
    Page(html).check_harmless()


def test_page_tells_results_differences_and_what_is_missing() -> None:
    page = Page(render_study(make_study(2), sheets={"p-pretrain": b"jpeg"}))
    text = " ".join(page.text.split())
    assert "The highest accuracy is that of flowers-variant-1 lr=1e-1: 54.0\u00a0%" in page.text
    assert "run `hf download timm/vgg16.tv_in1k" in text
    assert "flowers-lite0-frozen shows transfer on weights that are here." in text
    assert text.count("Source, their data: test accuracy 0.6948") == 5
    assert text.count("Expected: accuracy 0.71") == 4  # not where weights are random
    assert "Failed: data.boxes: <script>no boxes</script>" in text
    assert "1 of 5 variants gave no model; their rows say why." in text
    assert f"Not compared: {REFUSED}" in text
    assert "flowers-b beats flowers-a by 3.0 points (0.8 to 5.2), n = 736." in text
    assert "Macro-F1 -3.0 points (-5.5 to -0.5); only the first is right 18 times, only the second 40" in text
    assert "Mean squared error of 44 photos held out: 0.0120 (0.0100 to 0.0140; 19.2 dB)" in text
    strong = re.findall("<strong>(.*?)</strong>", render_study(make_study(2)))
    assert len(strong) == 2
    assert all("beats" in sentence for sentence in strong)
    assert {"results", "pairs", "curves", "pretraining", "runs"} <= set(page.ids)


def test_page_says_that_settings_were_changed_or_variants_are_to_come() -> None:
    text = Page(render_study(make_study(1, assignments=["train.epochs=1"], planned=9))).text
    assert "4 of 9 variants are done." in text
    assert "changed for all variants (train.epochs=1)" in text
    assert "Expected" not in text
    nothing = make_study(0, variants=[], comparisons=[], planned=2)
    assert "No variant has given a model yet." in Page(render_study(nothing)).text
    assert study_lines(nothing)[0].startswith("variant")


def test_fewer_classes_are_an_easier_question() -> None:
    easy, full = make_recipe("easy"), make_recipe("full")
    rows = [variant_row(easy, title="easy", report=make_report(0.9, classes=3)),
            variant_row(full, title="full", report=make_report(0.6))]  # fmt: skip
    text = Page(render_study(make_study(0, variants=rows))).text
    assert "The highest accuracy among those that know all 5 classes is that of full: 60.0" in text
    assert "3 classes" in text


def test_curves_of_twelve_runs_are_told_apart() -> None:
    lines = [Line(f"run {i} <b>", (1.0, 2.0), (1.0, 0.5 + i / 20), (0.5, 0.6)) for i in range(12)]
    svg = study_curves_svg(lines, ENGLISH)
    styles = re.findall(r'h22" class="(pg-line-\d)"[^>]*?(?:stroke-dasharray="([^"]*)")?/>', svg)
    assert len(set(styles)) == 12
    assert svg.count("<title>run 3 &lt;b&gt;, epoch 2: ") == 2
    assert "<b>" not in svg


def test_curve_without_numbers_or_of_one_epoch() -> None:
    assert study_curves_svg([], ENGLISH) == ""
    assert study_curves_svg([Line("a", (1.0,), (None,), (None,))], ENGLISH) == ""
    svg = study_curves_svg([Line("a", (1.0,), (0.5,), (0.5,)), Line("긴 이름" * 40, (1.0,), (None,), (0.1,))], ENGLISH)
    assert 'stroke-linecap="round"' in svg
    assert "NaN" not in svg
