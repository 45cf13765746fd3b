from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photograft.data.csv_text import guard_cell, read_table, unguard_cell
from photograft.evaluation.evaluate import evaluate
from photograft.reporting.records import issues_csv, manifest_csv, read_manifest, read_parts, splits_csv
from photograft.reporting.tables import confusion_csv, confusion_tables, predictions_csv
from photograft.tracking.atomic import write_atomically
from photograft.values import Issue, Manifest, Photo, Predictions, Splits

from .composite_examples import FACTORS, LABELS, predict_factors, predict_labels

NAMES = ("=1+1", "-x", "@sum", 'a "quoted", name', "노란 튤립", "two\nlines")


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_confusion_cells_are_fractions_of_their_row() -> None:
    confusion_KK = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 4]], dtype=np.int64)
    assert confusion_csv(("a", "b", "c"), confusion_KK) == (
        "label,a,b,c\na,8/10,2/10,0/10\nb,0/0,0/0,0/0\nc,1/5,0/5,4/5\n"
    )


def test_names_come_back_and_no_cell_is_a_formula() -> None:
    rows = read(confusion_csv(NAMES, np.eye(len(NAMES), dtype=np.int64)))
    assert [unguard_cell(cell) for cell in rows[0][1:]] == list(NAMES)
    assert [unguard_cell(row[0]) for row in rows[1:]] == list(NAMES)
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@" and cell]


@pytest.mark.parametrize("text", ["=a", "'=a", "''-a", "'a", "a", "", "+", "\ta", "＝a"])
def test_guarding_can_be_undone(text: str) -> None:
    assert unguard_cell(guard_cell(text)) == text


def test_predictions_read_back_to_nine_digits() -> None:
    rng = np.random.default_rng(0)
    p_NK = rng.dirichlet(np.full(len(NAMES), 0.05), size=40)
    p_NK[3] = np.nan
    statuses = tuple("rejected" if i == 3 else "ok" for i in range(40))
    label_N = rng.integers(-1, len(NAMES), size=40)
    paths = (*tuple(f"폴더/=photo {i}.jpg" for i in range(39)), "=evil.jpg")
    predictions = Predictions(paths, NAMES, p_NK, label_N, statuses, ("",) * 40)
    fold_N = np.arange(40) % 5 - 1
    text = predictions_csv(predictions, part_N=np.full(40, "train"), fold_N=fold_N)
    header, *rows = read(text)
    assert header == ["path", "part", "fold", "label", "predicted", "probability", *(f"p_{name}" for name in NAMES)]
    assert [unguard_cell(row[0]) for row in rows] == list(paths)
    assert [row[2] for row in rows] == ["" if fold < 0 else str(fold) for fold in fold_N]
    assert [unguard_cell(row[3]) for row in rows] == ["" if i < 0 else NAMES[i] for i in label_N]
    back_NK = np.array([[float(cell or "nan") for cell in row[6:]] for row in rows])
    np.testing.assert_allclose(back_NK, p_NK, rtol=0, atol=1e-9)
    assert rows[3][4:] == [""] * (2 + len(NAMES))
    assert [unguard_cell(row[4]) for i, row in enumerate(rows) if i != 3] == [
        NAMES[int(p.argmax())] for i, p in enumerate(p_NK) if i != 3
    ]
    assert "\r" not in text


def make_splits(n: int, *, n_repeats: int = 0) -> Splits:
    own_N, repeats_RN = np.arange(n), np.tile(np.arange(n) % 3 - 1, (n_repeats, 1))
    return Splits(np.full(n, "test"), np.full(n, -1), own_N, np.zeros(n, bool), 5, "", own_N, repeats_RN)


NAME = st.binary(min_size=1, max_size=12).map(lambda b: b.decode("utf-8", "surrogateescape"))
ODD = ["'", "''=a", "=a", "bad\udcff.jpg", "a\rb", "\x00,"]


@given(st.lists(NAME | st.sampled_from(ODD), min_size=1, max_size=5, unique=True))
def test_every_name_is_the_same_cell_in_every_table_and_comes_back(paths: list[str]) -> None:
    n, folder = len(paths), Path("photos")
    photos = tuple(Photo(p, p, None, "ok", "", "a" * 64, 1, "PNG", 1, 1) for p in paths)
    manifest = Manifest(folder, photos)
    splits = make_splits(n)
    predictions = Predictions(tuple(paths), ("a",), np.ones((n, 1)), np.zeros(n, np.int64), ("ok",) * n, ("",) * n)
    tables = [
        manifest_csv(manifest),
        splits_csv(manifest, splits),
        predictions_csv(predictions, part_N=splits.part_N, fold_N=splits.fold_N),
    ]
    for text in tables:
        assert [row["path"] for row in read_table(text.encode("utf-8", "surrogateescape"))] == paths
        assert [row[0] for row in read(text)[1:]] == [guard_cell(path) for path in paths]
    assert read_manifest(tables[0].encode("utf-8", "surrogateescape"), folder) == manifest
    issues = issues_csv([Issue("small", tuple(paths), "m", "r")])
    assert read(issues)[1][3:] == [guard_cell(path) for path in paths]


THOUSANDTHS = st.integers(0, 255_000).map(lambda n: n / 1000)
PIXELS = st.integers(-9, 99_999)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Rows with every field set to anything, all with values under the same names."""
    names = draw(st.lists(NAME | st.just("column.x"), max_size=3, unique=True))
    several = draw(st.booleans())

    def photo(path: str, number: int) -> Photo:
        labels = tuple(draw(st.lists(NAME | st.sampled_from(ODD), min_size=1, max_size=3))) if several else ()
        return Photo(
            path=path,
            label=None if several else draw(st.none() | NAME),
            part=draw(st.sampled_from([None, "train", "test"])),
            sha256="ab" * 32,
            brightness=draw(THOUSANDTHS),
            contrast=draw(THOUSANDTHS),
            sharpness=draw(THOUSANDTHS),
            object=number,
            labels=labels,
            group=draw(st.just("") | NAME),
            values=tuple((name, draw(st.just("") | NAME)) for name in names),
            box=draw(st.none() | st.tuples(PIXELS, PIXELS, PIXELS, PIXELS)),
            box_problem=draw(st.just("") | NAME),
            excluded=draw(st.just("") | NAME),
            edited=draw(st.just("") | NAME),
        )

    paths = draw(st.lists(NAME | st.sampled_from(ODD), min_size=1, max_size=4, unique=True))
    return Manifest(Path("photos"), tuple(photo(path, number) for number, path in enumerate(paths)))


@given(manifests())
def test_every_field_of_the_manifest_reads_back(manifest: Manifest) -> None:
    assert read_manifest(manifest_csv(manifest).encode("utf-8", "surrogateescape"), manifest.root) == manifest


def test_a_manifest_without_the_newer_columns_is_read() -> None:
    old = b"path,label,part,verdict,reason,sha256,size_bytes,width,height,turn\na.jpg,x,,ok,,ab,1,2,3,6\n"
    photos = read_manifest(old, Path("photos")).photos
    assert photos == (Photo("a.jpg", "x", sha256="ab", size_bytes=1, width=2, height=3, turn=6),)


def test_objects_of_one_file_are_rows_of_their_own_in_the_splits() -> None:
    photos = tuple(Photo("a.jpg", labels=("x", "y"), object=number, sha256="ab") for number in (1, 2))
    text = splits_csv(Manifest(Path("photos"), photos), make_splits(2, n_repeats=2))
    assert text.splitlines()[0] == "path,label,part,fold,fold_2,fold_3,group,leaked,sha256"
    assert read_parts(text.encode()) == {"a.jpg#1": "test", "a.jpg#2": "test"}
    assert read(text)[2] == ["a.jpg#2", '["x", "y"]', "test", "", "0", "0", "1", "0", "ab"]


def test_a_name_that_is_no_unicode_keeps_its_bytes(tmp_path: Path) -> None:
    predictions = Predictions(("bad\udcff.jpg",), ("a",), np.ones((1, 1)), np.zeros(1, np.int64), ("ok",), ("",))
    write_atomically(tmp_path / "p.csv", predictions_csv(predictions, part_N=np.array(["test"]), fold_N=np.array([-1])))
    assert b"bad\xff.jpg,test,,a,a,1,1\n" in (tmp_path / "p.csv").read_bytes()


def write_predictions(predictions: Predictions) -> list[dict[str, str]]:
    n = len(predictions.paths)
    header, *rows = read(predictions_csv(predictions, part_N=np.full(n, "test"), fold_N=np.full(n, -1)))
    assert len(set(header)) == len(header)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_factors_have_columns_of_their_own() -> None:
    predictions = predict_factors(30)
    rows = write_predictions(predictions)
    assert list(rows[0])[:9] == [
        *(
            "path",
            "part",
            "fold",
            "label",
            "predicted",
            "probability",
            "마스크",
            "마스크_predicted",
            "마스크_probability",
        )
    ]
    for i, row in enumerate(rows):
        for name, factor in predictions.factors:
            assert row[name] == factor.classes[factor.label_N[i]]
            assert row[f"{name}_predicted"] == factor.classes[factor.best_N[i]]
            assert float(row[f"{name}_probability"]) == pytest.approx(factor.probabilities_NK[i].max())
        assert row["label"] == " | ".join(row[name] for name in FACTORS)


@pytest.mark.parametrize("names", [("part", "age"), ("a", "a_predicted"), ("p_x | 1", "b"), ("=a", "=a_probability")])
def test_names_of_factors_that_are_taken_are_numbered(names: tuple[str, str]) -> None:
    rows = write_predictions(predict_factors(3, factors={names[0]: ("x", "y"), names[1]: ("1", "2")}))
    own = [name for name in rows[0] if name.startswith("factor") and not name.endswith(("_predicted", "_probability"))]
    assert len([name for name in rows[0] if name.startswith(("factor1_", "factor2_"))]) in (0, 6)
    assert not names[0].startswith(("part", "a")) or f"factor1_{names[0]}" in own
    assert len(rows[0]) == 6 + 6 + 4


def test_several_labels_are_joined_and_can_be_told_apart() -> None:
    predictions = predict_labels(30, labels=("boat;sea", *LABELS[1:]))
    assert predictions.member_NK is not None
    rows = write_predictions(predictions)
    assert list(rows[0])[:5] == ["path", "part", "fold", "labels", "predicted"]
    for i, row in enumerate(rows):
        for column, has_K in (("labels", predictions.member_NK[i]), ("predicted", predictions.given_NK[i])):
            told = next(csv.reader([unguard_cell(row[column])], delimiter=";"), [])
            assert told == [name for name, has in zip(predictions.classes, has_K, strict=True) if has]


def test_confusion_has_a_file_per_factor_with_a_name_that_any_system_takes() -> None:
    factors = {"Age": ("x", "y"), "age": ("1", "2", "3"), "a/b: *": ("p", "q"), "성별": ("남", "여")}
    evaluation = evaluate(predict_factors(60, factors=factors), what="test")
    tables = confusion_tables(evaluation)
    assert list(tables) == [
        *("confusion.csv", "confusion_Age.csv", "confusion_age_2.csv", "confusion_a_b___.csv", "confusion_성별.csv")
    ]
    assert read(tables["confusion_성별.csv"])[0] == ["label", "남", "여"]
    assert len(read(tables["confusion.csv"])) == 1 + 24


def test_labels_are_counted_each() -> None:
    predictions = predict_labels(80)
    assert predictions.member_NK is not None
    (text,) = confusion_tables(evaluate(predictions, what="test")).values()
    header, *rows = read(text)
    assert header == ["label", "tp", "fp", "fn", "tn"]
    for k, (name, *counts) in enumerate(rows):
        has, given = predictions.member_NK[:, k], predictions.given_NK[:, k]
        expected = [(has & given).sum(), (~has & given).sum(), (has & ~given).sum(), (~has & ~given).sum()]
        assert (name, [int(count) for count in counts]) == (LABELS[k], expected)
