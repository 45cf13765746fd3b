"""A search as a document, in the terminal and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from photograft.evaluation.paired import Comparison
from photograft.reporting.study_document import comparison_row
from photograft.reporting.tune_document import build_tune, trial_line, tune_lines
from photograft.reporting.tune_figures import cut_off, history_svg, slices_svg
from photograft.reporting.tune_page import render_tune
from photograft.reporting.tune_texts import tune_texts_in
from photograft.schemas import load_schema

from .pages import HOSTILE, Page, check_self_contained

ENGLISH = tune_texts_in("en")
PLAN = {"trials": 14, "minutes": None, "sampler": "tpe", "metric": "accuracy", "pruner": "median", "seed": 0,
        "part": "val", "test": 440}  # fmt: skip
SPACE = [
    {"name": "train.lr", "base": "auto", "only_if": {"model.graft": ["all"]}, "choices": None, "low": 1e-5,
     "high": 0.01, "log": True},
    {"name": "model.graft", "base": "auto", "only_if": {}, "choices": ["head", "all"], "low": None, "high": None,
     "log": False},
]  # fmt: skip
TEST = {"n": 440, "accuracy": 0.93, "accuracy_low": 0.9, "accuracy_high": 0.95, "macro_f1": 0.92,
        "balanced_accuracy": 0.93, "log_loss": 0.2}  # fmt: skip


def make_trial(number: int, score: float | None, **changes: Any) -> dict[str, Any]:
    values = {"model.graft": "all", "train.lr": 1e-5 * 1.5**number}
    state = "failed" if score is None else "complete"
    run = None if score is None else f"2026-11-22-trial-{number:04}"
    row = {"number": number, "state": state, "base": False, "score": score, "values": values, "run": run,
           "seconds": 12.25, "error": None if score else "<b>a loss</b>", "curve": []}  # fmt: skip
    return row | changes


def make_search(*, p: float = 1e-4, low: float = 0.008, **changes: Any) -> dict[str, Any]:
    trials = [make_trial(1, 0.9, base=True, values={"model.graft": "head"})]
    trials += [make_trial(number, 0.85 + number / 200) for number in range(2, 13)]
    trials += [make_trial(13, None), make_trial(14, None, state="pruned", error=None, curve=[[1, 0.4], [2, 0.5]])]
    compared = Comparison(
        "trial 12", "the base settings", 440, 0.91, 0.9, 0.03, low, 0.05, 0.03, 0.01, 0.05, 20, 7, p, True
    )
    given: dict[str, Any] = {
        "study": "2026-11-22-꽃-tune", "data": "꽃", "created": "2026-11-22T10:00:00+00:00",
        "written": "2026-11-22T11:00:00+00:00", "plan": PLAN, "space": SPACE, "trials": trials, "best": 12,
        "importance": {"train.lr": 0.8, "model.graft": 0.2},
        "comparison": comparison_row("trial 12", "the base settings", compared),
        "winner": {"run": "2026-11-22-winner", "test": TEST, "openings": 1},
        "command": "photograft train 꽃 --config best.yaml",
    }  # fmt: skip
    return build_tune(**given | changes)


def test_the_document_follows_its_schema_and_is_plain_json() -> None:
    document = make_search()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    Draft202012Validator(load_schema("tune")).validate({"folder": "runs/x", **document})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "beats"),
        ({"p": 0.01}, "same"),  # 0.01 x 11 tries: so many would find one that looks better
        ({"low": -0.01}, "same"),
        ({"best": 1}, "base"),
        ({"best": None}, "none"),
        ({"trials": [make_trial(1, None, base=True), make_trial(2, 0.9)], "best": 2}, "no base"),
        ({"comparison": comparison_row("a", "b", "they share 3 photos")}, "not compared"),
    ],
)
def test_the_winner_beats_the_base_only_after_allowing_for_all_tries(changes: dict[str, Any], verdict: str) -> None:
    document = make_search(**changes)
    assert document["verdict"] == verdict
    html = render_tune(document)
    check_self_contained(html)
    assert tune_lines(document, folder=Path("runs/x"))


def test_the_terminal_says_what_to_quote_and_what_to_keep() -> None:
    text = "\n".join(tune_lines(make_search(), folder=Path("runs/내 꽃")))
    assert (
        "It beats the base settings by 3.0 points (0.8 to 5.0), n = 440; p 0.0011 after allowing for 11 tries." in text
    )
    assert "Test part, opened once: accuracy 0.930 (0.900 to 0.950)" in text
    assert "12 finished, 1 given up early, 1 failed." in text
    assert "Trial 13 failed: <b>a loss</b>" in text
    same = "\n".join(tune_lines(make_search(p=0.5, winner=None), folder=Path("runs/내 꽃")))
    assert "keep the base settings" in same
    assert "photograft tune --resume 'runs/내 꽃'" in same
    opened = make_search(winner={"run": "x", "test": TEST, "openings": 3})
    assert "opened 3 times by now" in "\n".join(tune_lines(opened, folder=Path("x")))


def test_a_line_says_what_came_of_a_trial() -> None:
    document = make_search()
    assert trial_line(document, 12).startswith(
        "Trial 12 of 14: accuracy 0.9100, the best so far; 12.2 s; model.graft=all"
    )
    assert "the best so far is 0.9100" in trial_line(document, 1)
    assert "given up after epoch 2" in trial_line(document, 14)
    assert "failed: <b>a loss</b>" in trial_line(document, 13)


def test_the_page_tells_the_same_and_opens_with_what_to_quote() -> None:
    page = Page(render_tune(make_search()))
    text = " ".join(page.text.split())
    assert "Trial 12 beats the base settings" in text
    assert "On 440 test photos that chose nothing, the winner names 93.0\u00a0% correctly" in page.text
    assert "by 3.0 points (0.8 to 5.0, n = 440), also after allowing for 11 tries (p 0.0011)" in text
    assert "Trial 12 was chosen by its accuracy of 91.0 % on validation photos." in text.replace("\u00a0", " ")
    assert "The test part was opened once" in text
    assert "only with model.graft: all" in text
    assert "Given up after epoch 2, at 50.0" in text
    assert "photograft train 꽃 --config best.yaml" in text
    assert {"settings", "history", "slices", "trials", "how"} <= set(page.ids)
    assert "Keep the base settings" in Page(render_tune(make_search(best=1))).text
    assert "no test part" in Page(render_tune(make_search(winner={"run": "x", "test": None, "openings": 0}))).text


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_names_cannot_become_markup(name: str, language: str) -> None:
    space = [{**SPACE[1], "name": name, "choices": [name, "b"]}]
    trials = [make_trial(n, 0.5 + n / 100, values={name: name}, run=name) for n in (1, 2)]
    trials += [make_trial(n, 0.5 + n / 100, values={name: "b"}) for n in (3, 4)]
    shown = make_search(study=name, data=name, space=space, trials=trials, best=4, command=name, language=language)
    html = render_tune(shown)
    check_self_contained(html)
    Page(html).check_harmless()


def test_scores_far_below_stand_at_the_edge_and_are_counted() -> None:
    trials = [make_trial(1, 0.9, base=True), *(make_trial(n, 0.9 + n / 1000) for n in range(2, 9)), make_trial(9, 0.1)]
    document = make_search(trials=trials, best=8)
    assert cut_off(document) == 1
    svg = history_svg(document, ENGLISH)
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', svg)]
    assert len(heights) == 9 and max(heights) == heights[-1] == 230.0  # at the bottom line, not below
    assert "Trial 9: 10.0 %" in svg
    assert "1 much lower score stands at the edge" in Page(render_tune(document)).text


def test_low_losses_are_the_best_ones() -> None:
    trials = [make_trial(1, 0.9, base=True), make_trial(2, 0.4), make_trial(3, 0.6)]
    document = make_search(trials=trials, best=2, plan={**PLAN, "metric": "log_loss"})
    rows = [line.split()[0] for line in tune_lines(document, folder=Path("x"))[2:5]]
    assert rows == ["2", "3", "1"]
    assert cut_off(document) == 0
    assert "0.4000" in Page(render_tune(document)).text


def test_slices_need_something_to_show() -> None:
    assert slices_svg(make_search(), [], ENGLISH) == ""
    assert history_svg(make_search(trials=[make_trial(1, 0.9, base=True)], best=1), ENGLISH) == ""
    assert "Trial 5, train.lr = 7.59e-05" in slices_svg(make_search(), ["train.lr"], ENGLISH)
