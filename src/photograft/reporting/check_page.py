"""The page of `photograft check`: one self-contained file, what must be fixed first, with pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from photograft.reporting.check_document import (
    GROUPS,
    NAMED,
    count_of,
    pictured,
    say_photos,
    say_verdict,
    thumbnail_names,
)
from photograft.reporting.check_texts import check_texts_in
from photograft.reporting.html import Pictures, render_template
from photograft.reporting.texts import Texts
from photograft.reporting.translate import translate

_LISTED = 20  # cases written out per finding; --json lists more
_REMEDIES = 3


def render_check(document: Mapping[str, Any], thumbnails: Mapping[str, bytes]) -> str:
    """Draw the document of `build_check` as a page.

    Args:
        document: as built, or as read back from `photograft check --json`.
        thumbnails: JPEG bytes by the names that `thumbnail_names` gives; without any, findings are text.
    """
    texts, pictures = check_texts_in(document["language"]), Pictures()
    addresses = {name: pictures.address(thumbnails.get(name, b"")) for name in thumbnail_names(document)}
    findings = [_finding(document, issue, addresses, texts) for issue in document["issues"]]
    most = max((row["photos"] for row in document["classes"]), default=0) or 1
    return render_template(
        "check.html.j2",
        texts=texts,
        document=document,
        verdict=say_verdict(document),
        counts=say_photos(document),
        sections=[
            (key, some)
            for key, urgent in (("urgent", True), ("other", False))
            if (some := [finding for finding in findings if finding["must_fix"] == urgent])
        ],
        most=most,
        grouped=any("groups" in row for row in document["classes"]),
    )


def _finding(
    document: Mapping[str, Any], issue: Mapping[str, Any], addresses: Mapping[str, str], texts: Texts
) -> dict[str, Any]:
    cases: Sequence[Mapping[str, Any]] = issue["cases"]
    groups, gallery, rest = [], [], list(cases)
    if issue["kind"] in GROUPS:
        shown = list(zip(cases, pictured(document, issue), strict=False))
        shown = [(case, names) for case, names in shown if any(addresses.get(name) for name in names)]
        groups = [
            {
                "message": case["message"],
                "pictures": [_picture(document, name, addresses) for name in names],
                "more": case["n_paths"] - len(names),
            }
            for case, names in shown
        ]
        rest = [case for case in cases if not any(case is drawn for drawn, _ in shown)]
    else:
        names = [name for names in pictured(document, issue) for name in names if addresses.get(name)]
        gallery = [_picture(document, name, addresses) for name in names]
    return {
        "title": texts.name("title", issue["kind"]) if f"title.{issue['kind']}" in texts.table else issue["title"],
        "count": _count(issue, texts),
        "must_fix": issue["must_fix"],
        "why": texts.name("why", issue["kind"]) if f"why.{issue['kind']}" in texts.table else "",
        "remedies": list(dict.fromkeys(case["remedy"] for case in cases if case["remedy"]))[:_REMEDIES],
        "groups": groups,
        "gallery": gallery,
        "unpictured": issue["n"] - len(gallery) if gallery else 0,
        "lines": [_line(case, texts) for case in rest[:_LISTED]],
        "unlisted": issue["n_cases"] - len(groups) - len(rest[:_LISTED]),
    }


def _picture(document: Mapping[str, Any], name: str, addresses: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "address": addresses.get(name, ""), **document["rows"][name]}


def _line(case: Mapping[str, Any], texts: Texts) -> str:
    message, paths = translate(case["message"], texts.language), case["paths"][:NAMED]
    unnamed = [path for path in paths if path not in case["message"]]
    if len(unnamed) < len(paths) or not unnamed:
        return message
    more = case["n_paths"] - len(unnamed)
    tail = ", ".join([*unnamed, *([texts.say("data.more", n=more)] if more else [])])
    return f"{message} ({tail})"


def _count(issue: Mapping[str, Any], texts: Texts) -> str:
    cases = texts.say("check.cases", n=issue["n_cases"])
    if not issue["n"]:
        return cases
    photos = texts.say("check.photos", n=count_of(issue))
    if issue["kind"] not in GROUPS:
        return photos
    return texts.say("check.photos_in", photos=photos, cases=cases)
