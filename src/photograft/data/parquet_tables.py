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

    Read are columns of text, numbers, truth values, dates and times, and of lists of those. Others, as of pictures or
    structures, are passed over, and noted in `notes` before the first row.

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
        left_out = [column for column, kind in columns.items() if not _is_read(kind)]
        if left_out:
            notes.append(f"{name}: columns that hold neither text nor numbers are not read: {', '.join(left_out)}")
        kept = [column for column in columns if column not in left_out]
        for batch in table.iter_batches(batch_size=_BATCH, columns=kept):
            for row in batch.to_pylist():
                yield {column: None if value != value else value for column, value in row.items()}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(name, error) from error


def unreadable(name: str, error: Exception) -> DataError:
    """What to tell of a Parquet file that cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return DataError(
            f"{name} cannot be read as Parquet: it holds text that is not UTF-8 ({error.object!r:.60}): read what "
            "it was made of in the encoding that it has, and write it anew."
        )
    return DataError(f"{name} cannot be read as Parquet: {error}")


def is_text(kind: Any) -> bool:
    """Whether a type of Arrow is one of text."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_read(kind: Any) -> bool:
    """Whether the cells of a type of Arrow can stand as text in a table."""
    import pyarrow as pa

    if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType | pa.ListViewType | pa.LargeListViewType):
        kind = kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    other = pa.types.is_boolean(kind) or pa.types.is_temporal(kind) or pa.types.is_null(kind)
    return is_text(kind) or bool(number or other) or getattr(kind, "extension_name", "") in ("arrow.uuid", "arrow.json")
