"""One run in words, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from photograft.config.document import write_value
from photograft.reporting.clean import clean_text
from photograft.reporting.runs_table import local_time

_SCORES = (("macro_f1", "macro-F1"), ("balanced_accuracy", "balanced accuracy"), ("log_loss", "log loss"),
           ("ece", "calibration error"))  # fmt: skip


def run_lines(document: Mapping[str, Any]) -> list[str]:
    """What `show_run` gives, as lines of text."""
    made = local_time(document["created"])[:16]
    lines = [f"{document['run']}  ({document['status']}{f', {made}' if made else ''})"]
    lines += [document["problem"]] if document["problem"] else []
    lines += [f"tags: {', '.join(document['tags'])}"] if document["tags"] else []
    lines += [f"note: {document['note']}"] if document["note"] else []
    lines += ["", *_facts(document)]
    lines += _section("In short", document["summary"])
    lines += _section("Do next", document["next_steps"])
    lines += _section("Warnings", document["warnings"])
    given = [f"{name}: {_value(value)}" for name, value in document["given"].items()]
    lines += _section("Settings that were given", given or ["none: all are the defaults"])
    lines += ["", f"command: {document['command']}"] if document["command"] else [""]
    lines.append(f"folder: {document['folder']}")
    return [clean_text(line) for line in lines]


def _facts(document: Mapping[str, Any]) -> list[str]:
    facts = {
        "photos": _photos(document),
        "judged on": _judged(document),
        "scores": _scores(document),
        "model": _model(document),
        "made": _made(document),
        "on disk": _disk(document),
    }
    return [f"{name:<10} {words}" for name, words in facts.items() if words]


def _photos(document: Mapping[str, Any]) -> str:
    if document["source"] is None:
        return ""
    counts = [] if document["photos"] is None else [f"{document['photos']:,} photos"]
    counts += [] if document["classes"] is None else [f"{document['classes']:,} classes"]
    return f"{document['source']}{': ' if counts else ''}{', '.join(counts)}"


def _judged(document: Mapping[str, Any]) -> str:
    return "" if document["judged"] is None else f"{document['judged']}, {document['n']:,} photos"


def _scores(document: Mapping[str, Any]) -> str:
    if document["mse"] is not None:
        return f"mse {document['mse']:.4f}"
    if document["accuracy"] is None:
        return ""
    low, high = document["accuracy_low"], document["accuracy_high"]
    limits = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    others = [f"{words} {document[key]:.3f}" for key, words in _SCORES if document[key] is not None]
    return ", ".join([f"accuracy {100 * document['accuracy']:.1f} %{limits}", *others])


def _model(document: Mapping[str, Any]) -> str:
    if document["backbone"] is None:
        return ""
    px = f", {document['px']} px" if document["px"] else ""
    return f"{document['backbone']}, graft {document['graft']}{px}, quality {document['quality']}"


def _made(document: Mapping[str, Any]) -> str:
    packages = document["versions"]
    made_with = [f"{name} {packages[name]}" for name in ("photograft", "torch", "onnxruntime") if packages.get(name)]
    minutes = [] if document["minutes"] is None else [f"in {document['minutes']:.1f} minutes"]
    commit = document["git"].get("commit", "")
    changed = " (with changes)" if document["git"].get("changed") == "yes" else ""
    return ", ".join([*minutes, *made_with, *([f"git {commit[:12]}{changed}"] if commit else [])])


def _disk(document: Mapping[str, Any]) -> str:
    shared = document["shared_bytes"]
    also = f", of which {shared / 1e6:,.1f} MB are linked from elsewhere too" if shared else ""
    return f"{document['bytes'] / 1e6:,.1f} MB{also}"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _value(value: Any) -> str:
    return value if isinstance(value, str) else write_value(value)
