"""The result of `photograft check`: what `--json` prints, what the terminal shows, and what the page is drawn from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from photograft.data.duplicates import Duplicates
from photograft.reporting.check_texts import check_texts_in
from photograft.reporting.clean import clean_value
from photograft.reporting.columns import cut_columns
from photograft.values import PARTS, Issue, Manifest, Photo

NAMED = 20  # photos of a case that the page may name or show; the document lists all
CASES = 50_000  # cases listed per kind: a set whose every file is damaged must not make a file of gigabytes
GROUPS = frozenset({"label_conflict", "leak", "exact_duplicate", "near_duplicate"})
"""Kinds whose photos belong together case by case, and are shown side by side."""

UNSEEN = frozenset({"wrong_extension"})
"""Kinds that a picture says nothing about."""

GROUPS_SHOWN, GROUP_SIZE, GALLERY, MOST_PICTURES = 8, 4, 12, 200
_LINES, _COLUMNS, _NOTES = 15, 110, 5


def build_check(
    manifest: Manifest,
    issues: Sequence[Issue],
    *,
    duplicates: Duplicates,
    seconds: Mapping[str, float],
    language: str = "en",
) -> dict[str, Any]:
    """Gather a check into the document that `check_text` and `render_check` show, as plain JSON types.

    Args:
        manifest: every row that was found, with verdicts and labels.
        issues: what was found about them; kinds that are not known here are shown under their own name.
        duplicates: how many photos equal an earlier one, and how many more nearly do.
        seconds: per stage, in order.
        language: of titles and of the page's texts, "en" or "ko"; messages and remedies stay as they are.
    """
    found = _gather(issues, language)
    usable = manifest.usable.photos
    excluded = sum(bool(p.excluded) for p in manifest.photos)
    photos = {"found": len(manifest.photos), "usable": len(usable), "rejected": len(manifest.rejected)}
    named = {path for issue in found for case in issue["cases"] for path in case["paths"][:NAMED]}
    document: dict[str, Any] = clean_value({
        "source": manifest.root.name or str(manifest.root),
        "language": language,
        "photos": photos | {"excluded": excluded},
        "verdicts": manifest.count_verdicts(),
        "classes": _classes(manifest),
        "parts": _parts(usable) if manifest.given_parts else {},
        "duplicates": {"exact": duplicates.n_exact, "near": duplicates.n_near},
        "issues": found,
        "rows": {p.name: _facts(p) for p in usable if p.name in named},
        "clean": not any(issue["must_fix"] for issue in found),
        "notes": manifest.notes,
        "seconds": seconds,
    })  # fmt: skip
    return document


def check_text(document: Mapping[str, Any]) -> str:
    """Return the document as a summary of fewer than 40 lines: verdict, numbers, one example and remedy per kind."""
    texts = check_texts_in(document["language"])
    photos, issues = document["photos"], document["issues"]
    lines = [say_verdict(document), say_photos(document), ""]
    width = max((len(f"{count_of(issue):,}") for issue in issues), default=0)
    for issue in issues[:_LINES]:
        example = next((case["message"] for case in issue["cases"]), "")
        mark = "!" if issue["must_fix"] else " "
        lines.append(cut_columns(f"{mark} {count_of(issue):>{width},}  {issue['title']}: {example}", _COLUMNS))
        remedy = next((case["remedy"] for case in issue["cases"] if case["remedy"]), "")
        if remedy:
            lines.append(cut_columns(f"  {' ' * width}  → {remedy}", 2 * _COLUMNS))  # the terminal breaks the line
    if len(issues) > _LINES:
        lines.append(texts.say("data.more", n=len(issues) - _LINES))
    if not issues and not photos["rejected"]:
        lines.append(texts.say("check.nothing"))
    notes = document["notes"]
    more = [texts.say("data.more", n=len(notes) - _NOTES + 1)] if len(notes) > _NOTES else []
    shown = [*notes[: _NOTES - len(more)], *more]
    return "\n".join([*lines, *(cut_columns(f"· {note}", 2 * _COLUMNS) for note in shown)]).rstrip()


def thumbnail_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the rows that `render_check` shows pictures of, each once, at most `MOST_PICTURES`."""
    names = (name for issue in document["issues"] for names in pictured(document, issue) for name in names)
    return tuple(dict.fromkeys(names))[:MOST_PICTURES]


def pictured(document: Mapping[str, Any], issue: Mapping[str, Any]) -> list[list[str]]:
    """Names of the rows of a finding that are shown as pictures: a list per case, or one list as a gallery."""
    if issue["kind"] in UNSEEN:
        return []
    cases = [[name for name in case["paths"] if name in document["rows"]] for case in issue["cases"]]
    if issue["kind"] in GROUPS:
        return [names[:GROUP_SIZE] for names in cases[:GROUPS_SHOWN]]
    return [list(dict.fromkeys(name for names in cases for name in names))[:GALLERY]]


def say_verdict(document: Mapping[str, Any]) -> str:
    """Return the one sentence that matters: whether something must be fixed."""
    n = sum(issue["must_fix"] for issue in document["issues"])
    return check_texts_in(document["language"]).say("check.must_fix" if n else "check.clean", n=n)


def say_photos(document: Mapping[str, Any]) -> str:
    """Return how many files there are, and what became of them."""
    texts, photos = check_texts_in(document["language"]), document["photos"]
    parts = [texts.say("check.found", n=photos["found"]), texts.say("check.usable", n=photos["usable"])]
    parts += [texts.say(f"check.{key}", n=photos[key]) for key in ("rejected", "excluded") if photos[key]]
    if document["classes"]:
        parts.append(texts.say("check.classes", n=len(document["classes"])))
    return ", ".join(parts)


def count_of(issue: Mapping[str, Any]) -> int:
    """Return the number to show for a finding: its photos, or its cases where it is not about photos."""
    return int(issue["n"] or issue["n_cases"])


def _gather(issues: Sequence[Issue], language: str) -> list[dict[str, Any]]:
    """Issues by kind and urgency: what must be fixed first, then by number of photos."""
    texts = check_texts_in(language)
    kinds: dict[tuple[str, bool], list[Issue]] = defaultdict(list)
    for issue in issues:
        kinds[issue.kind, issue.must_fix].append(issue)
    found = [
        {
            "kind": kind,
            "title": texts.name("title", kind) if f"title.{kind}" in texts.table else _title(kind),
            "must_fix": must_fix,
            "n": len({path for case in cases for path in case.paths}),
            "n_cases": len(cases),
            "cases": [
                {"message": c.message, "remedy": c.remedy, "paths": c.paths, "n_paths": len(c.paths)}
                for c in cases[:CASES]
            ],
        }
        for (kind, must_fix), cases in kinds.items()
    ]
    return sorted(found, key=lambda issue: (not issue["must_fix"], -count_of(issue)))


def _title(kind: str) -> str:
    return kind.replace("_", " ").strip().capitalize() or "?"


def _classes(manifest: Manifest) -> list[dict[str, Any]]:
    photos = Counter(label for p in manifest.usable.photos for label in p.all_labels)
    groups = defaultdict(set)
    for photo in manifest.usable.photos:
        for label in photo.all_labels:
            groups[label].add(photo.group or photo.name)
    grouped = any(p.group for p in manifest.usable.photos)
    return [
        {"name": name, "photos": photos[name]} | ({"groups": len(groups[name])} if grouped else {})
        for name in manifest.classes
    ]


def _parts(usable: Sequence[Photo]) -> dict[str, int]:
    counts = Counter(p.part for p in usable)
    return {part: counts[part] for part in PARTS if counts[part]}


def _facts(photo: Photo) -> dict[str, Any]:
    return {
        "label": ", ".join(photo.all_labels),
        "part": photo.part or "",
        "width": photo.width,
        "height": photo.height,
    }
