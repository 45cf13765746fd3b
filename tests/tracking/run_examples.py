"""Run folders without photos, tables and models: what lists and prune read of a run, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from photograft.config import load_config, to_yaml
from photograft.config.tree import leaves, nest
from photograft.tracking.run_folder import RunFolder

SCORES = {"balanced_accuracy": 0.8, "macro_f1": 0.8, "log_loss": 0.5, "ece": 0.1}


def make_run(
    folder: Path,
    *settings: str,
    accuracy: float = 0.8,
    created: str = "2026-11-22T10:00:00+00:00",
    photos: str = "/photos/꽃",
    network: int = 0,
) -> Path:
    """A finished run of `train`; with a network of so many bytes."""
    config = load_config(None, settings)
    limits = {"accuracy_low": round(accuracy - 0.1, 3), "accuracy_high": round(accuracy + 0.1, 3)}
    scores = {"n": 50, "accuracy": accuracy, **limits, **SCORES}
    report: dict[str, Any] = {
        "evaluations": [{"what": "test", "classes": ["장미", "튤립"], "scores": scores}],
        "photos": {"used": 300},
        "model": {"backbone": config.model.backbone, "graft": config.model.graft, "px": 64},
        "settings": nest(leaves(config)),
        "summary": ["It is right."],
    }
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    run.write("config.yaml", to_yaml(config))
    run.write("config.resolved.yaml", to_yaml(config))
    run.write_json("report.json", report)
    record = {"photos": photos, "created": created, "data_sha256": "ab", "seconds": {"train": 60}}
    run.write_json(
        "run.json", {**record, "versions": {"photograft": "0.1.0"}, "command": "photograft train", "git": {}}
    )
    if network:
        run.write("network.safetensors", bytes(network))
    run.seal()
    return folder


def make_stopped(folder: Path, *settings: str) -> Path:
    """A run that was stopped while it was fine-tuned, with a checkpoint."""
    (folder / "checkpoints" / "train").mkdir(parents=True)
    run = RunFolder(folder)
    run.write("config.resolved.yaml", to_yaml(load_config(None, settings)))
    run.write("checkpoints/train/step-1.safetensors", bytes(5000))
    started = {"format": 1, "verb": "train", "photos": "/photos/꽃", "versions": {"photograft": "0.1.0"}}
    run.write("started.json", json.dumps(started))
    return folder
