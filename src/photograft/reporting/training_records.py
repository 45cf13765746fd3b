"""records.jsonl of a fine-tuned run: one JSON line per evaluation, written as they come and read back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from photograft.errors import ModelError
from photograft.reporting.clean import clean_value
from photograft.values import Record

_FIELDS = tuple(field.name for field in fields(Record))


def records_jsonl(records: Sequence[Record]) -> str:
    """One line per record, each a JSON object; a loss that is no number is null, as JSON has no NaN."""
    return "".join(json.dumps(clean_value(asdict(record))) + "\n" for record in records)


def read_records(text: str) -> tuple[Record, ...]:
    """The records that `records_jsonl` wrote; lines of the linear head (``strength``) are passed over.

    A last line without its end was being written when the process was killed, and is left out.

    Raises:
        ModelError: Any other line is damaged; the message names it.
    """
    records = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.endswith("\n"):
            break
        try:
            row = json.loads(line)
            if "strength" not in row:
                records.append(record_from(row))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"records.jsonl, line {number}, is damaged ({error}): train again.") from error
    return tuple(records)


def record_from(row: Mapping[str, Any]) -> Record:
    """The record of one line; a training loss of null was no number."""
    values = {name: row[name] for name in _FIELDS}
    return Record(**values | {"train_loss": math.nan if values["train_loss"] is None else values["train_loss"]})
