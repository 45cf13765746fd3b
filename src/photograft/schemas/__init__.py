"""The shape of every `--json` output, as JSON Schema 2020-12 in one versioned file."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from photograft.errors import ConfigError

VERBS: tuple[str, ...] = (
    "train", "plan", "pretrain", "advise", "check", "split", "edits", "evaluate", "predict", "verify", "recipes",
    "doctor", "cache", "compare", "diff", "runs", "run", "prune", "tune", "explain", "export",
    "heads", "pack", "added_head", "search", "search_build",
)  # fmt: skip
"""The commands whose `--json` output has a schema; `plan` is that of `train --dry-run`, `edits` of `edits list`,
`recipes` of `recipes run`, `runs` of `runs list`, `run` of `runs show`, `heads`, `pack` and `added_head` of
`heads list`, `heads export` and `heads add`, `search` of `search query`, `search_build` of its other verbs, and
`compare`, `diff` and `prune` of the verbs of `runs` that are called so."""


def load_schema(verb: str) -> dict[str, Any]:
    """Load the schema of what `photograft VERB --json` prints, complete in itself.

    Raises:
        ConfigError: The verb has no schema.

    >>> load_schema("predict")["$ref"]
    '#/$defs/predict'
    """
    if verb not in VERBS:
        raise ConfigError(f"There is no schema for {verb!r}; there is one for each of {', '.join(VERBS)}.")
    text = files("photograft.schemas").joinpath("results.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return {**schema, "$id": f"{schema['$id']}:{verb}", "$ref": f"#/$defs/{verb}"}
