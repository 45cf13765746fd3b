"""Runs of `pretrain`: they hold an encoder, which other runs begin with, and nothing that could classify."""

from __future__ import annotations

import shlex
from pathlib import Path

from photograft.errors import ModelError

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
