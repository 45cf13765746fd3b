from __future__ import annotations

import pytest

from photograft.errors import IntegrityError
from photograft.retrieval.rows import REMOVED, IndexRow, Place, Rows, in_order, opaque_id, write_rows

ROSE = IndexRow(
    0, "장미/붉은 \udcff.jpg", labels=("장미", "꽃"), sha256="a" * 64, vector=0, id="0123456789abcdef",
    thumbnail=Place("000001.pack", 44, 900, 7),
)  # fmt: skip
COPY = IndexRow(1, "copy.jpg", sha256="a" * 64, vector=0, id="0123456789abcdef")
LILY = IndexRow(0, 'lily","id":"fedcba9876543210".jpg', sha256="b" * 64, vector=1, id="00000000000000ff")
GONE = IndexRow(0, "gone.jpg", verdict=REMOVED, sha256="c" * 64)


def test_rows_come_back_as_they_were_written_each_when_asked_for() -> None:
    rows = Rows(write_rows([ROSE, LILY, COPY, GONE]), n_vectors=2)
    assert list(rows) == [ROSE, LILY, COPY, GONE]
    assert rows[1] == LILY and len(rows) == 4
    assert rows.further == {0: [COPY]} and rows.of_vectors == {0: [ROSE, COPY], 1: [LILY]}


def test_an_id_is_found_and_no_name_passes_for_one() -> None:
    rows = Rows(write_rows([ROSE, LILY, COPY]), n_vectors=2)
    assert rows.find("0123456789abcdef") == ROSE
    assert rows.find("00000000000000ff") == LILY
    for other in ("fedcba9876543210", "", '"', "0123456789abcde", "가", "../etc"):
        assert rows.find(other) is None


def test_rows_stand_in_the_order_of_their_vectors() -> None:
    assert in_order([GONE, COPY, LILY, ROSE], 2) == [ROSE, LILY, GONE, COPY]
    with pytest.raises(ValueError, match="every vector needs a row"):
        in_order([LILY], 2)


def test_ids_are_opaque() -> None:
    first, second = opaque_id("salt", "a" * 64), opaque_id("pepper", "a" * 64)
    assert first != second and len(first) == 16 and first == opaque_id("salt", "a" * 64)


def test_damaged_rows_are_refused() -> None:
    with pytest.raises(IntegrityError, match="fewer"):
        Rows(write_rows([ROSE]), n_vectors=2)
    with pytest.raises(IntegrityError, match="cannot be read"):
        Rows(b'{"source": 0}\n', n_vectors=1)[0]
