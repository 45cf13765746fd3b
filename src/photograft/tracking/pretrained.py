"""Runs of `pretrain`: they hold an encoder, which other runs begin with, and nothing that could classify."""

from __future__ import annotations

import shlex
from pathlib import Path

from photograft.errors import ModelError
from photograft.tracking.run_folder import RunFolder, open_run, refuse_unfinished

DECODER_FILE = "decoder.safetensors"
"""The half of the autoencoder that only reconstructs, which no other kind of run has."""


def is_pretrained(run: Path) -> bool:
    """Whether the folder is a finished run of `pretrain`."""
    return (run / DECODER_FILE).is_file()


def refuse_pretrained(run: Path) -> None:
    """Raise ModelError where a run that classifies is wanted, and `run` is one of `pretrain`."""
    if is_pretrained(run):
        raise ModelError(
            f"{run} was pretrained without labels and knows no classes: its page is {run / 'report.html'}. Train on it "
            f"with `photograft train PHOTOS --set {shlex.quote(f'model.backbone=run:{run}')}`."
        )


def open_trained(run: Path) -> RunFolder:
    """Open a finished run of `train`, as `open_run` does.

    Raises:
        ModelError: The folder is no run, or its run is not finished or was pretrained without labels.
        IntegrityError: Its report, settings or record are missing or were changed.
    """
    refuse_unfinished(run)
    refuse_pretrained(run)
    return open_run(run)
