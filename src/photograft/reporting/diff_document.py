"""What changed from one run to another, and what it did, as plain values: the document of `runs diff`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from photograft.data.changes import DataChanges, find_changes
from photograft.data.edits import read_edits
from photograft.errors import PhotograftError
from photograft.reporting.clean import clean_value
from photograft.reporting.finished_run import FinishedRun
from photograft.reporting.run_pair import compare_pair, pair_document

FORMAT = 1
_NAMED = 20
_UNLIKE = ("cache.", "report.")
"""Settings by which no model is made."""

_SCORES = ("n", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "log_loss")


def build_diff(before: FinishedRun, after: FinishedRun) -> dict[str, Any]:
    """Compare two runs in everything that their folders hold.

    Raises:
        ModelError: A table is damaged.
    """
    changes = find_changes(before.manifest, after.manifest, places_a=before.places, places_b=after.places)
    settings, made = setting_rows(before, after), _made_rows(before.record, after.record)
    document = {
        "format": FORMAT,
        "before": run_document(before),
        "after": run_document(after),
        "model": model_rows(before, after),
        "settings": settings,
        "data": data_document(changes) | {"edits": _edits(before, after)},
        "made_with": made,
        "results": _results(before, after),
    }
    used = [row for row in settings if row["affects"] and row["before"] != row["after"]]
    same = changes.same_photos and changes.same_split and not (used or document["model"] or made)
    plain: dict[str, Any] = clean_value(document | {"same": same})
    return plain


def run_document(run: FinishedRun) -> dict[str, Any]:
    """What a run is and came to."""
    headline = run.headline
    scores = {name: headline["scores"].get(name) for name in _SCORES}
    about = {"name": run.name, "run": str(run.path), "created": run.report.get("created")}
    return {**about, "what": headline["what"], **scores, "classes": len(headline["classes"])}


def setting_rows(before: FinishedRun, after: FinishedRun) -> list[dict[str, Any]]:
    """Settings whose value differs, then those that were asked otherwise but came out the same."""
    rows = []
    for name in dict.fromkeys((*before.settings, *after.settings)):
        values = [_plain(run.settings.get(name)) for run in (before, after)]
        asked = [_plain(run.asked.get(name, run.settings.get(name))) for run in (before, after)]
        if values[0] == values[1] and asked[0] == asked[1]:
            continue
        reasons = [run.report["reasons"].get(name, "") for run in (before, after)]
        rows.append({
            "name": name, "before": values[0], "after": values[1], "asked_before": asked[0], "asked_after": asked[1],
            "reason_before": reasons[0], "reason_after": reasons[1], "affects": not name.startswith(_UNLIKE),
        })  # fmt: skip
    return sorted(
        rows,
        key=lambda row: (row["before"] == row["after"], not row["affects"], is_unused((row["before"], row["after"]))),
    )


def is_unused(values: Sequence[Any]) -> bool:
    """Whether a setting differs only in that some runs have no use for it, so that "auto" came to nothing there."""
    used = [value for value in values if value != "auto"]
    return len(used) < len(values) and all(value == used[0] for value in used)


def model_rows(before: FinishedRun, after: FinishedRun) -> list[dict[str, Any]]:
    """Facts about the model that differ, and the weights of the networks, where both models are still there."""
    known = bool(before.bundle and after.bundle)
    facts = [{**run.report["model"], **(_weights(run) if known else {})} for run in (before, after)]
    names = dict.fromkeys((*facts[0], *facts[1]))
    rows = ((name, facts[0].get(name), facts[1].get(name)) for name in names)
    return [{"name": name, "before": one, "after": other} for name, one, other in rows if one != other]


def data_document(changes: DataChanges) -> dict[str, Any]:
    """The changes of the photos as counts, each with the first names."""
    relabelled = Counter((old, new) for _, old, new in changes.relabelled)
    return {
        "before": changes.n_a,
        "after": changes.n_b,
        "shared": changes.shared,
        "same_photos": changes.same_photos,
        "same_split": changes.same_split,
        "added": _named(changes.added),
        "removed": _named(changes.removed),
        "replaced": _named(changes.replaced),
        "renamed": _named([new for _, new in changes.renamed]),
        "other_box": _named(changes.other_box),
        "relabelled": _named([name for name, _, _ in changes.relabelled])
        | {"labels": [{"before": old, "after": new, "n": n} for (old, new), n in relabelled.most_common(_NAMED)]},
        "renamed_classes": [{"before": old, "after": new} for old, new in changes.renamed_classes],
        "classes_added": [name for name, (a, b) in changes.classes.items() if b and not a],
        "classes_removed": [name for name, (a, b) in changes.classes.items() if a and not b],
        "classes": [{"name": name, "before": a, "after": b} for name, (a, b) in changes.classes.items() if a != b],
        "moved": [
            {"before": one or "left out", "after": other or "left out", "n": n}
            for (one, other), n in sorted(changes.moved.items(), key=lambda item: -item[1])
        ],
        "refolded": changes.refolded,
        "test": dict(zip(("before", "after", "shared"), changes.test, strict=True)),
    }


def _named(names: Sequence[str]) -> dict[str, Any]:
    return {"n": len(names), "first": list(names[:_NAMED])}


def _weights(run: FinishedRun) -> dict[str, Any]:
    digests = [str(each["source"].get("weights_sha256", ""))[:12] for each in run.bundle.get("networks", ())]
    return {"weights": ", ".join(dict.fromkeys(digests))}


def _made_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Versions and the state of the code, where they differ."""
    versions = [dict(record["versions"]) for record in (before, after)]
    for record, known in zip((before, after), versions, strict=True):
        git = record.get("git") or {}
        changed = " with changes that were not committed" if git.get("changed") == "yes" else ""
        known["git"] = f"{git['commit'][:12]}{changed}" if git.get("commit") else None
    names = dict.fromkeys((*versions[0], *versions[1]))
    rows = ((name, versions[0].get(name), versions[1].get(name)) for name in names)
    return [{"name": name, "before": one, "after": other} for name, one, other in rows if one != other]


def _edits(before: FinishedRun, after: FinishedRun) -> dict[str, Any]:
    """Corrections of the journals that one run had and the other not, by action."""
    had, has = (Counter(_corrections(run)) for run in (before, after))
    added, taken = (Counter(action for action, *_ in each.elements()) for each in (has - had, had - has))
    return {"before": had.total(), "after": has.total(), "added": dict(added), "taken_back": dict(taken)}


def _corrections(run: FinishedRun) -> Iterator[tuple[str, str, int, str]]:
    journal = run.path / "edits.csv"
    if not journal.is_file():
        return
    for edit in read_edits(journal).rows:
        if edit.in_force and edit.action != "undo":
            yield edit.action, edit.sha256, edit.object, edit.value


def _results(before: FinishedRun, after: FinishedRun) -> dict[str, Any]:
    """The comparison on the same photos, after minus before; else why there is none, and either's own classes."""
    try:
        return {"comparison": pair_document(compare_pair(after, before, shared=True)), "refused": None, "apart": []}
    except PhotograftError as error:
        return {"comparison": None, "refused": str(error), "apart": _apart(before, after)}


def _apart(before: FinishedRun, after: FinishedRun) -> list[dict[str, Any]]:
    """Recall and F1 of each class, each run on photos of its own."""
    ours, theirs = ({row["name"]: row for row in run.headline["per_class"]} for run in (before, after))
    nothing = {"support": None, "recall": None, "f1": None}
    return [
        {
            "name": name,
            **{
                f"{key}_{when}": known.get(name, nothing)[key]
                for when, known in (("before", ours), ("after", theirs))
                for key in nothing
            },
        }
        for name in dict.fromkeys((*ours, *theirs))
    ]


def _plain(value: Any) -> Any:
    """A value as JSON would give it back, so that what was read from different files compares."""
    return json.loads(json.dumps(clean_value(value)))
