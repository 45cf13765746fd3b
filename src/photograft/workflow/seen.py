"""Which photos a run was trained on: a score on them says nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from photograft.models.catalogue import NETWORK_FILE, RUN, is_run_name
from photograft.reporting.records import read_manifest, read_parts
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
    try:
        fitted_on = json.loads((run / "model" / "bundle.json").read_bytes())["tested"]["fitted_on"]
    except (OSError, ValueError, KeyError):
        fitted_on = ["train", "val"]
    known = photos_trained_on(run, fitted_on)
    rows = splits.rows("test") if len(splits.rows("test")) else splits.rows("train", "val")
    n = sum(manifest.usable.photos[row].sha256 in known for row in rows)
    if not n:
        return []
    return [
        f"The network of {run.name} was trained on {n} of the {len(rows)} photos that judge this run: the score is too "
        f"good. To keep its test part apart, give split.file={run / 'splits.csv'}."
    ]
