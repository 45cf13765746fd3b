"""The robustness card: what worse photos cost, as a section of report.json and of the page, and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from photograft.data.corruptions import KINDS, STRENGTHS
from photograft.data.csv_text import table_csv
from photograft.evaluation.robustness import UNCHANGED, Effect, Robustness
from photograft.reporting.robustness_texts import robustness_texts_in
from photograft.reporting.texts import Texts

Document = Mapping[str, Any]

MIDDLE = 2
"""The strength that the sentence is about."""

EXAMPLES: tuple[str, ...] = (UNCHANGED, *(f"{kind} {MIDDLE}" for kind in KINDS))
"""The variants of which one photo is shown."""

NOTICEABLE = 0.03
"""Loss of accuracy below which a corruption is not spoken of."""

_LITTLE = 0.1  # a loss that is surely below it is called little
_MOSTLY = 0.5  # of what is above chance
_HOTTEST = 0.4  # loss of accuracy that is drawn in the full colour
_NAMED = 2  # corruptions that are named beside the worst one


def robustness_document(
    facts: Robustness,
    *,
    what: str,
    seen: bool,
    of: int,
    n_classes: int,
    turned: tuple[int, int] | None,
    example: Document,
    seconds: float,
) -> dict[str, Any]:
    """Return the section of report.json.

    Args:
        facts: what was found.
        what: which photos they are, as `Evaluation.what` names them.
        seen: the model was trained on these photos.
        of: how many photos there would have been.
        n_classes: classes, or combinations of labels, among them.
        turned: photos that give the same pixels when they are stored turned, and of how many; None where not tried.
        example: path, label and names of the photo that is shown.
        seconds: time that it took.
    """
    low, high = facts.texture[1:]
    return {
        "n": facts.n,
        "of": of,
        "what": what,
        "seen": seen,
        "classes": n_classes,
        "seconds": round(seconds, 1),
        "accuracy": facts.accuracy,
        "corruptions": [
            {"kind": kind, "strength": strength, **_effect(effect)}
            for (kind, strength), effect in facts.corruptions.items()
        ],
        "texture": {
            "shuffled": _effect(facts.shuffled),
            "outlined": _effect(facts.outlined),
            "difference": facts.texture[0],
            "low": low,
            "high": high,
        },
        "turned": {
            "alike": None if turned is None else turned[0],
            "of": None if turned is None else turned[1],
            "unread": _effect(facts.unread),
        },
        "example": dict(example),
    }


def left_out(why: str, n: int) -> dict[str, Any]:
    """Return the section where nothing can be said: `why` is "photos" or "time", `n` how many photos it comes to."""
    return {"n": 0, "left_out": why, "enough_for": n}


def robustness_csv(section: Document) -> str:
    """Return a row per corruption and strength, and one per other change."""
    texture, turned = section["texture"], section["turned"]
    others = {"patches": texture["shuffled"], "outlines": texture["outlined"], "turn not read": turned["unread"]}
    rows: list[list[Any]] = [["change", "strength", "photos", "accuracy", "lost", "lost_low", "lost_high"]]
    rows.append(["none", "", section["n"], *_cells({"accuracy": section["accuracy"], **_NOTHING})])
    rows += [[row["kind"], row["strength"], section["n"], *_cells(row)] for row in section["corruptions"]]
    rows += [[name, "", section["n"], *_cells(row)] for name, row in others.items()]
    return table_csv(rows)


def show_robustness(report: Document, *, pictures: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what the section on robustness shows, with the addresses of `EXAMPLES`; None where there is none."""
    section = report.get("robustness")
    if section is None:
        return None
    texts = robustness_texts_in(report["language"])
    shown: dict[str, Any] = {"texts": texts, "sentences": say_robustness(section, report["language"]), "rows": []}
    if "left_out" in section:
        return shown
    shown["basis"] = _say_basis(section, texts)
    for kind in KINDS:
        cells = [_cell(row) for row in section["corruptions"] if row["kind"] == kind]
        shown["rows"].append((texts.say(f"kind.{kind}"), cells))
    shown["heads"] = [texts.say(f"strength.{strength}") for strength in STRENGTHS]
    shown["lines"] = [_say_texture(section, texts), _say_turned(section, texts)]
    example = section["example"]
    shown["example"] = [
        {
            "picture": pictures.get(name, ""),
            "title": texts.say("unchanged") if name == UNCHANGED else texts.say(f"kind.{name.split()[0]}"),
            "named": example["named"][name],
            "right": example["right"][name],
        }
        for name in EXAMPLES
    ]
    shown["label"] = example["label"]
    return shown


def costliest(section: Document) -> Document | None:
    """Return the corruption that costs most at middle strength; None where none does, or none was tried."""
    costly = [row for row in section.get("corruptions", ()) if row["strength"] == MIDDLE and _is_costly(row)]
    return max(costly, key=lambda row: float(row["drop"]), default=None)


def say_robustness(section: Document, language: str = "en") -> list[str]:
    """Say what costs most, and what to do about it."""
    texts = robustness_texts_in(language)
    if "left_out" in section:
        return [texts.say(f"left_out.{section['left_out']}", n=section["enough_for"])]
    for strength in (MIDDLE, STRENGTHS[-1]):
        rows = [row for row in section["corruptions"] if row["strength"] == strength]
        costly = sorted((row for row in rows if _is_costly(row)), key=lambda row: -row["drop"])
        if costly:
            said = _say_worst(costly, rows, texts)
            if strength != MIDDLE:
                said = texts.say("only.strong", said=said)
            return [said, texts.say(f"do.{costly[0]['kind']}")]
    return [texts.say("nothing", n=section["n"])]


_NOTHING = {"drop": 0.0, "low": 0.0, "high": 0.0}


def _say_worst(costly: list[Document], rows: list[Document], texts: Texts) -> str:
    worst, *others = costly
    said = texts.say("costs", name=texts.say(f"kind.{worst['kind']}"), **_limits(worst))
    named = [
        texts.say("also", name=texts.say(f"kind.{row['kind']}.within"), points=_points(row["drop"]))
        for row in others[:_NAMED]
    ]
    said += "".join(texts.say("comma") + name for name in named)
    rest = [row for row in rows if row not in costly[: 1 + _NAMED]]
    little = all(row["drop"] < NOTICEABLE for row in rest)
    most = max(rest, key=lambda row: float(row["drop"]))
    return said + texts.say("rest.little" if little else "rest.less", points=_points(most["drop"]))


def _say_basis(section: Document, texts: Texts) -> str:
    what = texts.name("of", section["what"])
    key = "basis.all" if section["n"] == section["of"] else "basis.some"
    said = texts.say(key, n=section["n"], of=section["of"], what=what, accuracy=texts.percent(section["accuracy"], 0))
    return f"{said} {texts.say('basis.seen')}" if section["seen"] else said


def _say_texture(section: Document, texts: Texts) -> str:
    """What is kept above chance in patches, against outlines; a photo of K classes is right by chance in 1 of K."""
    texture, chance = section["texture"], 1 / max(section["classes"], 1)
    kept = {
        name: (texture[name]["accuracy"] - chance) / max(section["accuracy"] - chance, 1e-9)
        for name in ("shuffled", "outlined")
    }
    if section["accuracy"] - chance < NOTICEABLE:
        verdict = "unsure"
    elif kept["shuffled"] >= _MOSTLY and texture["low"] > 0:
        verdict = "texture"
    elif texture["high"] < 0:
        verdict = "shape"
    elif max(kept.values()) < _MOSTLY:
        verdict = "both"
    else:
        verdict = "unsure"
    shares = {name: texts.percent(texture[name]["accuracy"], 0) for name in kept}
    unchanged = texts.percent(section["accuracy"], 0)
    return f"{texts.say('texture', unchanged=unchanged, **shares)} {texts.say(f'texture.{verdict}')}"


def _say_turned(section: Document, texts: Texts) -> str:
    turned = section["turned"]
    unread = turned["unread"]
    verdict = "costs" if _is_costly(unread) else "little" if unread["high"] < _LITTLE else "unsure"
    costs = texts.say(f"unread.{verdict}", **_limits(unread))
    if turned["alike"] is None:
        return costs
    key = "turned.alike" if turned["alike"] == turned["of"] else "turned.other"
    return f"{texts.say(key, n=turned['of'], alike=turned['alike'])} {costs}"


def _is_costly(effect: Document) -> bool:
    return bool(effect["low"] > 0 and effect["drop"] >= NOTICEABLE)


def _cell(row: Document) -> dict[str, Any]:
    """A loss in points, how hot it is drawn in percent, and whether it may be chance."""
    heat = round(100 * min(1.0, max(0.0, row["drop"]) / _HOTTEST))
    sign = "\u2212" if row["drop"] >= 0.005 else "+" if row["drop"] <= -0.005 else ""
    unsure = row["low"] <= 0 <= row["high"]
    return {"text": f"{sign}{abs(100 * row['drop']):.0f}", "heat": 0 if unsure else heat, "unsure": unsure}


def _limits(effect: Document) -> dict[str, str]:
    return {"points": _points(effect["drop"]), "low": _points(effect["low"]), "high": _points(effect["high"])}


def _points(share: float) -> str:
    return f"{100 * share:.0f}".replace("-0", "0")


def _effect(effect: Effect) -> dict[str, float]:
    return {"accuracy": effect.accuracy, "drop": effect.drop, "low": effect.low, "high": effect.high}


def _cells(effect: Document) -> list[float]:
    return [round(effect[name], 4) for name in ("accuracy", "drop", "low", "high")]
