"""Parquet tables that users bring, as objects like those of JSON lines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

from photograft.errors import DataError, MissingExtraError

MAGIC: Final = b"PAR1"
"""The first bytes of a Parquet file."""

_BATCH = 8192


def parquet_rows(content: bytes, name: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows, each with its values by column; NaN is None, as pandas writes it for what is missing.

    Columns of bytes and of structures, such as pictures, are passed over, and noted in `notes` before the first row.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: it cannot be read.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"Reading {name}", "ray") from error
    try:
        table = pq.ParquetFile(io.BytesIO(content))
        columns = {field.name: field.type for field in table.schema_arrow}
        left_out = [column for column, kind in columns.items() if pa.types.is_binary(kind) or pa.types.is_struct(kind)]
        if left_out:
            notes.append(f"{name}: columns that hold neither text nor numbers are not read: {', '.join(left_out)}")
        kept = [column for column in columns if column not in left_out]
        for batch in table.iter_batches(batch_size=_BATCH, columns=kept):
            for row in batch.to_pylist():
                yield {column: None if value != value else value for column, value in row.items()}
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name} cannot be read as Parquet: {error}") from error
