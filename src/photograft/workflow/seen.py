"""Which photos a run was trained on: a score on them says nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from photograft.models.catalogue import NETWORK_FILE, RUN, is_run_name
from photograft.reporting.records import read_manifest, read_parts
from photograft.tracking.pretrained import is_pretrained
from photograft.tracking.run_folder import MEMBERS
from photograft.values import Manifest, Splits


def photos_trained_on(run: Path, fitted_on: Collection[str]) -> set[str]:
    """SHA-256 of the photos in the parts `fitted_on` of a run; none where its tables are not at hand."""
    try:
        parts = read_parts((run / "splits.csv").read_bytes())
        photos = read_manifest((run / "manifest.csv").read_bytes(), run).photos
    except (OSError, KeyError, ValueError):
        return set()
    return {p.sha256 for p in photos if p.sha256 and parts.get(p.name) in fitted_on}


def seen_by_backbone(backbone: str, manifest: Manifest, splits: Splits) -> list[str]:
    """A warning where the network of another run was fine-tuned on photos that now judge this one."""
    folder = Path(backbone.removeprefix(f"{RUN}:"))
    if not is_run_name(backbone) or not (folder / NETWORK_FILE).is_file():
        return []
    run = folder.parent.parent if folder.parent.name == MEMBERS else folder
    rows = splits.rows("test") if len(splits.rows("test")) else splits.rows("train", "val")
    judged = [manifest.usable.photos[row].sha256 for row in rows]
    if is_pretrained(run):
        return _seen_unlabelled(run, judged)
    try:
        fitted_on = json.loads((run / "model" / "bundle.json").read_bytes())["tested"]["fitted_on"]
    except (OSError, ValueError, KeyError):
        fitted_on = ["train", "val"]
    known = photos_trained_on(run, fitted_on)
    n = sum(sha256 in known for sha256 in judged)
    if not n:
        return []
    return [
        f"The network of {run.name} was trained on {n} of the {len(judged)} photos that judge this run: the score is "
        f"too good. To keep its test part apart, give split.file={run / 'splits.csv'}."
    ]


def _seen_unlabelled(run: Path, judged: Sequence[str]) -> list[str]:
    """A warning where an autoencoder learned to reconstruct photos that now judge its encoder."""
    try:
        photos = read_manifest((run / "manifest.csv").read_bytes(), run).photos
    except (OSError, KeyError, ValueError):
        return []
    known = {photo.sha256 for photo in photos if photo.sha256 and photo.part == "train"}
    n = sum(sha256 in known for sha256 in judged)
    if not n:
        return []
    return [
        f"The encoder of {run.name} was pretrained on {n} of the {len(judged)} photos that judge this run, though "
        "without their labels: the score may be a little too good. To leave them out, give pretrain and train the same "
        "split.file."
    ]
