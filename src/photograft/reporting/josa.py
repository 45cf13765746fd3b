"""Korean particles, whose form follows the last sound of the word before them."""

from __future__ import annotations

import unicodedata

_FORMS = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "과": ("과", "와"),
    "으로": ("으로", "로"),
    "이라": ("이라", "라"),
}
"""By the name of a particle: its form after a consonant, and after a vowel."""
PARTICLES = frozenset(_FORMS)
_SYLLABLES = ("가", "힣")
_FINALS = 28  # a syllable's place in its row of 28 is its final consonant, 0 for none
_RIEUL = 8
# As digits and signs are read: 영 일 이 삼 사 오 육 칠 팔 구, 퍼센트.
_READ = dict(zip("0123456789%", "영일이삼사오육칠팔구트", strict=True))


def with_josa(word: str, particle: str) -> str:
    """Return the word with its particle: 튤립은, 장미는, 3번과.

    `particle` is one of `PARTICLES`, named as it stands after a consonant. How a word in Latin letters is read nobody
    can tell from its letters: it gets both forms, as in "daisy은(는)", which is how Korean programs write it.
    """
    closed, open_ = _FORMS[particle]
    final = _final(word)
    if final is None:
        return f"{word}{closed}({open_})" if particle not in ("이라", "으로") else f"{word}({closed[:1]}){closed[1:]}"
    if final == 0 or (particle == "으로" and final == _RIEUL):
        return word + open_
    return word + closed


def _final(word: str) -> int | None:
    """The number of the last final consonant, 0 for a vowel; None where the word cannot be read."""
    for letter in reversed(unicodedata.normalize("NFC", word)):
        letter = _READ.get(letter, letter)
        if _SYLLABLES[0] <= letter <= _SYLLABLES[1]:
            return (ord(letter) - ord(_SYLLABLES[0])) % _FINALS
        if letter.isalnum():
            return None
    return None
