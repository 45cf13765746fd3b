"""What changed from one run to another, in words for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from photograft.reporting.columns import count_columns, cut_columns
from photograft.reporting.html import show_plain

Document = Mapping[str, Any]
_COLUMN = 12
_MOST = 12
"""Lines of one kind; `--json` has them all."""
_WIDEST = 60
_DOES = {
    "relabel": "relabelled", "exclude": "left out", "include": "taken back in", "box": "given another box",
}  # fmt: skip


def diff_lines(document: Document) -> list[str]:
    """The document of `build_diff` for the terminal."""
    parts: list[tuple[str, list[str]]] = [
        ("Before", [_run(document["before"])]),
        ("After", [_run(document["after"])]),
        ("Model", list(_changed(document["model"])) or ["the same"]),
        ("Parameters", list(_settings(document["settings"])) or ["the same"]),
        ("Data", list(data_sentences(document["data"]))),
        ("Made with", list(_changed(document["made_with"])) or ["the same versions and code"]),
        ("Result", list(_results(document))),
    ]
    lines = [
        f"{head if not number else '':<{_COLUMN}}{line}" for head, told in parts for number, line in enumerate(told)
    ]
    if document["same"]:
        lines += ["", "Nothing changed that a model is made from: model, parameters, photos, split, versions and code."]
        comparison = document["results"]["comparison"]
        if comparison and (comparison["only_a"] or comparison["only_b"]):
            lines.append("Other answers come from what is not recorded, such as the number of threads.")
    return lines


def data_sentences(data: Document) -> Iterator[str]:
    """What became of the photos and their split."""
    if data["same_photos"]:
        yield f"the same {data['after']:,} photos with the same labels"
    elif data["before"] == data["after"] == data["shared"]:
        yield f"the same {data['after']:,} photos"
    else:
        yield f"{data['before']:,} photos, now {data['after']:,}; {data['shared']:,} are the same"
    for key, words in (
        ("added", "added"), ("removed", "removed"), ("replaced", "with another content under the same name"),
        ("other_box", "with another box"),
    ):  # fmt: skip
        yield from _photos(data[key], words)
    for row in data["renamed_classes"]:
        yield f"class {row['before']} is now called {row['after']}"
    if data["relabelled"]["n"]:
        to = ", ".join(
            f"{row['n']:,} {row['before']} -> {row['after']}" for row in data["relabelled"]["labels"][:_MOST]
        )
        yield f"{count_photos(data['relabelled']['n'])} relabelled: {to}"
    yield from _photos(data["renamed"], "moved or renamed")
    for key, words in (("classes_added", "new"), ("classes_removed", "gone")):
        named = [name for name in data[key] if name not in _renamed(data)]
        if named:
            yield f"{len(named):,} {'class' if len(named) == 1 else 'classes'} {words}: {_some(named)}"
    yield from _edits(data["edits"])
    yield from _split(data)


def change_sentence(row: Document) -> str:
    """One setting or fact: its name, and its values before and after."""
    return f"{row['name']}: {show_value(row['before'])} -> {show_value(row['after'])}"


def show_value(value: Any) -> str:
    """A setting or fact, shortened; nothing as "none", switches as they are written."""
    text = (
        "none" if value is None or value == "" else str(value).lower() if isinstance(value, bool) else show_plain(value)
    )
    return cut_columns(text, _WIDEST) if count_columns(text) > _WIDEST else text


def count_photos(n: int) -> str:
    """So many photos, in words."""
    return f"{n:,} {'photo' if n == 1 else 'photos'}"


def class_sentences(comparison: Document, *, gains: str = "gained", loses: str = "lost") -> Iterator[str]:
    """Which classes gained or lost by more than chance."""
    clear = sorted((row for row in comparison["classes"] if row["clear"]), key=lambda row: -row["f1_difference"])
    gained, lost = ([row for row in clear if (row["f1_difference"] > 0) == up] for up in (True, False))
    for rows, verb in ((gained, gains), (lost[::-1], loses)):
        shown = [
            f"{row['name']} F1 {100 * row['f1_difference']:+.1f} points "
            f"({100 * row['f1_low']:.1f} to {100 * row['f1_high']:.1f})"
            for row in rows
        ]
        if shown:
            yield f"{verb}: {_some(shown)}"
    if not clear:
        yield f"none of {len(comparison['classes']):,} classes changed by more than chance"


def _run(run: Document) -> str:
    interval = f"{run['accuracy_low']:.3f} to {run['accuracy_high']:.3f}"
    return f"{run['name']}  accuracy {run['accuracy']:.3f} ({interval}), {run['what']}, n = {run['n']:,}"


def _settings(rows: Sequence[Document]) -> Iterator[str]:
    changed = [row for row in rows if row["before"] != row["after"]]
    for row in changed[:_MOST]:
        asked = [show_value(row[key]) for key in ("asked_before", "asked_after")]
        note = (
            f" (asked: {asked[0]} -> {asked[1]})" if row["asked_before"] != row["asked_after"] else " (not asked for)"
        )
        note = "" if asked == [show_value(row["before"]), show_value(row["after"])] else note
        yield f"{change_sentence(row)}{note}{'' if row['affects'] else '; changes no model'}"
    if len(changed) > _MOST:
        yield f"... and {len(changed) - _MOST} more; --json shows all"
    same = [row["name"] for row in rows if row["before"] == row["after"]]
    if same:
        yield f"asked otherwise with the same outcome: {_some(same)}"


def _changed(rows: Sequence[Document]) -> Iterator[str]:
    yield from map(change_sentence, rows)


def _edits(edits: Document) -> Iterator[str]:
    for key, words in (("added", "new corrections"), ("taken_back", "corrections taken back")):
        if edits[key]:
            told = ", ".join(f"{n:,} {_DOES[action]}" for action, n in edits[key].items())
            yield f"{words} in the journal: {told}"


def _split(data: Document) -> Iterator[str]:
    test = data["test"]
    if not data["shared"]:
        return
    if data["same_split"]:
        yield "the same split" if data["same_photos"] else "photos that both have stand in the same parts and folds"
        return
    if data["moved"]:
        moves = ", ".join(f"{row['n']:,} {row['before']} -> {row['after']}" for row in data["moved"][:_MOST])
        yield f"another split: {moves}"
    if data["refolded"]:
        yield f"{count_photos(data['refolded'])} in other folds"
    if test["before"] or test["after"]:
        yield f"test part: {test['before']:,} photos, now {test['after']:,}; {test['shared']:,} are the same"


def _results(document: Document) -> Iterator[str]:
    comparison = document["results"]["comparison"]
    if comparison is None:
        yield f"not compared: {document['results']['refused']}"
        yield from _apart(document["results"]["apart"])
        return
    if comparison["partly"]:
        yield f"on the {comparison['n']:,} photos alone that both judged without having seen them:"
    yield comparison["sentence"]
    if not comparison["only_a"] and not comparison["only_b"]:
        yield "the same photos are right"
        return
    now, before = (count_photos(comparison[key]) for key in ("only_a", "only_b"))
    yield f"right only now: {now}; right only before: {before}"
    yield from class_sentences(comparison)


def _apart(rows: Sequence[Document]) -> Iterator[str]:
    known = [row for row in rows if row["f1_before"] is not None and row["f1_after"] is not None]
    known.sort(key=lambda row: -abs(row["f1_after"] - row["f1_before"]))
    if known:
        yield "F1 of the classes, each run on its own photos, so that chance may be all there is to it:"
    for row in known[:_MOST]:
        yield f"  {row['name']}: {row['f1_before']:.3f} -> {row['f1_after']:.3f}"


def _photos(named: Document, words: str) -> Iterator[str]:
    if named["n"]:
        yield f"{count_photos(named['n'])} {words}, such as {cut_columns(named['first'][0], _WIDEST)}"


def _renamed(data: Document) -> set[str]:
    return {name for row in data["renamed_classes"] for name in row.values()}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
