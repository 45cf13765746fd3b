"""English sentences of stages in Korean: each form is one that the program writes, and is well made."""

from __future__ import annotations

import ast
import re
import string
from itertools import pairwise
from pathlib import Path

import pytest

import photograft
from photograft.reporting.translate import SENTENCES, translate

SOURCES = Path(photograft.__file__).parent
MARK = "\0"


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def read_strings() -> str:
    """All strings of the program, save those of Korean pages, with a mark for every value."""
    found = []
    for file in sorted(SOURCES.rglob("*.py")):
        if file.name.startswith(("translat", "report_korean")):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else MARK for p in node.values)
                found.append("".join(map(str, parts)))
    return "\n".join(found)


def test_every_form_has_the_same_values_in_both_languages() -> None:
    assert not [english for english, korean in SENTENCES.items() if not fields(korean) <= fields(english)]
    assert not [english for english, korean in SENTENCES.items() if not re.search("[가-힣]", fill(korean))]


def fill(text: str) -> str:
    return re.sub(r"{\w+(:\w+)?}", "가", text)


def test_every_form_is_written_somewhere() -> None:
    """A sentence that was changed where it is written no longer fits its form: then its Korean must follow."""
    program = read_strings()
    lost = []
    for english in SENTENCES:
        pieces = re.split(r"{[^}]*}|\[[^\]]*\]| and | 2, ", english)
        words = max(pieces, key=len).split()
        # Pairs, since the program may put a sentence together of pieces.
        pairs = [" ".join(pair).strip(" .,:;()") for pair in pairwise(words)] or words
        if 2 * sum(pair in program for pair in pairs) < len(pairs):
            lost.append(english)
    assert lost == []


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("a b/1.jpg is very dark", "a b/1.jpg: 매우 어두움"),
        ("12 photos are blurred, for example x is y.jpg", "사진 12장: 흐림, 예: x is y.jpg"),
        ("1.jpg, 2.jpg and 3 more: the same picture (5 copies)", "1.jpg, 2.jpg 외 3개: 같은 사진(5장)"),
        ("a.jpg, b.jpg: nearly the same picture, mirrored under different labels (개, 고양이)",
         "a.jpg, b.jpg: 거의 같은 사진(뒤집음), 레이블이 서로 다름(개, 고양이)"),
        ("auto: 1,000 photos, fewer than 1,500", "자동: 사진 1,000장, 1,500장 미만"),
        ("multi, 2,128 numbers, and tuned, 1,280 numbers", "multi, 값 2,128개와 미세 조정, 값 1,280개"),
        ("left out without being read: 3 .txt files, 7 hidden or system files and folders",
         "읽지 않고 제외: .txt 파일 3개, 숨김 파일, 시스템 파일이나 폴더 7개"),
        ("No person and no known duplicate stands on both sides of the split; 7 values of person and 2 groups of "
         "duplicates were kept together. 3 rows name no usable photo in splits.csv.",
         "person 값이 같은 사진도 알려진 중복 사진도 나뉜 양쪽에 함께 있지 않습니다. 한쪽에 모아 둔 것: person 값 7개, "
         "중복 묶음 2개. splits.csv의 행 3개는 사용할 수 있는 사진을 가리키지 않습니다."),
        ("measured when the run began: train.channels_last=true makes a step 1.20 times as fast: taken; "
         "train.precision=bf16 makes a step 0.90 times as fast: not taken",
         "실행을 시작할 때 잼: train.channels_last=true(으)로 한 단계가 1.20배 빨라져 사용함; train.precision=bf16으로 "
         "한 단계가 0.90배 속도라 사용하지 않음"),
    ],
)  # fmt: skip
def test_values_are_taken_over(english: str, korean: str) -> None:
    assert translate(english, "ko") == korean
    assert translate(english, "en") == english


def test_what_is_not_known_stays() -> None:
    assert translate("Something new.", "ko") == "Something new."
    assert translate("", "ko") == ""
