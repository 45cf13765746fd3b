"""Sentences that stages wrote in English, said in Korean on a page.

report.json and the terminal speak English: a note, an issue or a reason is written once, where it is found. A Korean
page recognises such a sentence by its form, as it stands in `translations_data` and `translations_run`, takes its
values out and says the same. So reports of any age have Korean pages, and stages know nothing of languages.

A form is the English sentence with places for its values:
    {name}         any text, as it is
    {n:number}     a number
    {name:name}    a word without spaces
    {what:known}   a piece that is a form itself, translated
    {what:each}    such pieces with commas or "and" between them
    {names:list}   names, of which the last may be "and 3 more"
    [was|were]     either
"""

from __future__ import annotations

import re
import string
from functools import cache

from photograft.reporting.texts import fill_in
from photograft.reporting.translations_data import DATA_SENTENCES
from photograft.reporting.translations_run import RUN_SENTENCES

SENTENCES = {**DATA_SENTENCES, **RUN_SENTENCES}
_CHOICE = re.compile(r"\[([^\]]*)\]")
_PLACES = {"number": r"[-+]?\d(?:[\d,.]*\d)?", "name": r"\S+"}
_MORE = re.compile(r"(?:,| and) (\d+ more|\.\.\.)$")


def translate(text: str, language: str) -> str:
    """Return a stage's English text in `language`; one of a form that is not known stays as it is."""
    if language != "ko" or not text:
        return text
    return _sentences(text) or _known(text) or text


def _sentences(text: str) -> str | None:
    """Several sentences, where each is known."""
    for end in re.finditer(r"\. ", text):
        first = _known(text[: end.start() + 1])
        if first is not None:
            rest = text[end.end() :]
            more = _sentences(rest) or _known(rest)
            if more is not None:
                return f"{first} {more}"
    return None


def _known(text: str) -> str | None:
    for pattern, kinds, korean in _forms():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        values = {name: _value(value, kinds[name]) for name, value in found.groupdict().items()}
        if None not in values.values():
            return fill_in(korean, values)
    return None


def _value(text: str, kind: str) -> str | None:
    if kind == "known":
        return _known(text)
    if kind == "each":
        pieces = [_known(piece) for piece in re.split(r"(?:, | and )(?=\d|rotated|mirrored|train|val|test)", text)]
        return None if None in pieces else ", ".join(piece for piece in pieces if piece)
    if kind == "list":
        return _MORE.sub(lambda more: f" 외 {more[1].split()[0]}개" if more[1] != "..." else " 등", text)
    return text


@cache
def _forms() -> tuple[tuple[re.Pattern[str], dict[str, str], str], ...]:
    """Every form as a pattern, what kind of place each name is, and the Korean sentence."""
    forms = []
    # Those with most text of their own first: few words between values may be found in any sentence.
    for english in sorted(SENTENCES, key=lambda form: len(re.sub(r"{[^}]*}", "", form)), reverse=True):
        pattern, kinds = "", {}
        for literal, name, kind, _ in string.Formatter().parse(english):
            pattern += _with_choices(literal)
            if name is not None:
                kinds[name] = kind or ""
                pattern += f"(?P<{name}>{_PLACES.get(kind or '', '.+?')})"
        forms.append((re.compile(pattern, re.DOTALL), kinds, SENTENCES[english]))
    return tuple(forms)


def _with_choices(literal: str) -> str:
    pieces = _CHOICE.split(literal)
    choices = ("(?:" + "|".join(map(re.escape, piece.split("|"))) + ")" for piece in pieces[1::2])
    plain = map(re.escape, pieces[::2])
    return next(plain) + "".join(choice + text for choice, text in zip(choices, plain, strict=True))
