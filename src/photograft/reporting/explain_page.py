"""Explanations as lines for the terminal, and as one self-contained page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from photograft.data.files import printable
from photograft.reporting.explain_texts import explain_texts_in
from photograft.reporting.html import Pictures, render_template
from photograft.reporting.overlay import RAMP
from photograft.reporting.texts import Texts

_PICTURE_BYTES = 12_000_000
_NAMED = 3


@dataclass(frozen=True)
class ExplainPictures:
    """JPEG files of a photo on the page: itself, an overlay per answer, that of the rival, its neighbours by name."""

    photo: bytes = b""
    answers: tuple[bytes, ...] = ()
    rival: bytes = b""
    neighbours: Mapping[str, bytes] = field(default_factory=dict)


def explain_lines(document: Mapping[str, Any]) -> list[str]:
    """The explanations as `photograft explain` prints them."""
    texts, lines = explain_texts_in("en"), []
    for photo in document["photos"]:
        lines.append(printable(photo["path"]))
        if photo["status"] == "rejected":
            lines.append(f"  rejected: {photo['reason']}")
            continue
        named = [f"{printable(each['label'])} {each['probability']:.3f}" for each in photo["top"][: _NAMED + 1]]
        status = "" if photo["status"] == "ok" else f"  [{photo['status']}]"
        lines.append(f"  {named[0]}{status}  ({', '.join(named[1:])})")
        lines += [
            f"  {_heading(each)}: {_where(each, texts)} {_faith(each, texts)}".rstrip() for each in photo["answers"]
        ]
        if photo["known"]:
            known = photo["known"]
            lines.append(f"  One of the run's own photos ({known['part']}), labelled {printable(known['label'])}.")
        if photo["neighbours"]:
            first = photo["neighbours"][0]
            near = ", ".join(f"{label} x {n}" for label, n in _counted(photo["neighbours"]))
            path = printable(first["path"])
            lines.append(f"  Most like it in training: {near}; first {path} ({first['similarity']:.2f})")
    return lines


def render_explanations(
    document: Mapping[str, Any], pictures: Sequence[ExplainPictures], *, language: str = "en", hidden: bool = False
) -> str:
    """The explanations as a page, with the pictures of each photo; `hidden` says that training photos are not shown."""
    texts, room = explain_texts_in(language), Pictures(_PICTURE_BYTES)
    photos = [_card(photo, own, room, texts) for photo, own in zip(document["photos"], pictures, strict=True)]
    ramp = ", ".join(f"rgb{colour}" for colour in RAMP)
    return render_template(
        "explain.html.j2",
        texts=texts,
        model=document["model"],
        photos=photos,
        ramp=f"linear-gradient(to right, #555555, {ramp})",
        alone=not document["has_run"],
        hidden=hidden,
    )


def _card(photo: Mapping[str, Any], own: ExplainPictures, room: Pictures, texts: Texts) -> dict[str, Any]:
    if photo["status"] == "rejected":
        return {"path": photo["path"], "rejected": texts.say("explain.rejected", reason=photo["reason"])}
    answers = [
        {
            **answer,
            "picture": room.address(jpeg),
            "heading": _heading(answer),
            "where": _where(answer, texts),
            "faith": _faith(answer, texts),
            "stages": _stages(answer, texts),
            "how": _how(answer, texts),
        }
        for answer, jpeg in zip(photo["answers"], own.answers, strict=True)
    ]
    near = [{**each, "picture": room.address(own.neighbours.get(each["path"], b""))} for each in photo["neighbours"]]
    status = texts.say(f"explain.{photo['status']}") if photo["status"] in ("unsure", "unfamiliar") else ""
    return {
        **photo,
        "rejected": "",
        "picture": room.address(own.photo),
        "answers": answers,
        "rival": photo["rival"] and {**photo["rival"], "picture": room.address(own.rival)},
        "status_text": status,
        "known_text": _known(photo["known"], texts),
        "neighbours": near,
        "near_text": _near(photo, texts),
    }


def _heading(answer: Mapping[str, Any]) -> str:
    label = printable(answer["label"])
    return f"{printable(answer['factor'])}: {label}" if answer["factor"] else label


def _where(answer: Mapping[str, Any], texts: Texts) -> str:
    place = answer["place"]
    return texts.say("explain.place", place=texts.name("place", place)) if place else texts.say("explain.spread")


def _faith(answer: Mapping[str, Any], texts: Texts) -> str:
    faith = answer["faith"]
    if not faith:
        return ""
    digits = 0 if round(100 * faith["marked"]) != round(100 * faith["other"]) else 1
    shares = {key: texts.percent(faith[key], digits) for key in ("before", "marked", "other")}
    key = "explain.faith" if faith["marked"] < faith["other"] else "explain.unfaithful"
    return texts.say(key, label=printable(answer["label"]), **shares)


def _how(answer: Mapping[str, Any], texts: Texts) -> str:
    how = texts.say(f"explain.method.{answer['method']}")
    share = answer["share"]
    if answer["method"] != "cam" or share is None or share > 0.99:
        return f"{how}."
    return f"{how}; {texts.say('explain.share', share=texts.percent(share, 0))}."


def _stages(answer: Mapping[str, Any], texts: Texts) -> list[dict[str, Any]]:
    """What each part of the network adds, with the length of its bar."""
    stages = answer["stages"]
    most = max((abs(each["log_odds"]) for each in stages), default=0) or 1
    sides = [each["side"] for each in stages if each["side"]]
    rows = []
    for each in stages:
        side = each["side"]
        key = "lost" if not side else "last" if side == sides[-1] else "first" if side == sides[0] else "middle"
        rows.append(
            {
                "name": texts.say(f"explain.stage.{key}", side=side),
                "value": f"{each['log_odds']:+.2f}",
                "width": f"{100 * abs(each['log_odds']) / most:.0f}%",
                "against": each["log_odds"] < 0,
            }
        )
    return rows


def _known(known: Mapping[str, Any] | None, texts: Texts) -> str:
    if not known:
        return ""
    part = texts.name("part", known["part"])
    if not known["label"]:
        return texts.say("explain.known.unlabelled", part=part)
    return texts.say("explain.known", part=part, label=known["label"])


def _near(photo: Mapping[str, Any], texts: Texts) -> str:
    """How many of the nearest photos are labelled as the model says."""
    near = photo["neighbours"]
    if not near or not photo["label"]:
        return ""
    n = sum(each["label"] == photo["label"] for each in near)
    return texts.say("explain.near.of", n=n, all=len(near), label=photo["label"])


def _counted(neighbours: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return Counter(printable(each["label"]) for each in neighbours).most_common()
