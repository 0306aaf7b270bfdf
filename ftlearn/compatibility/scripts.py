"""The scripts that texts are written in, as far as they decide how words are separated."""

from __future__ import annotations

import re
from collections.abc import Iterable

HAN = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
ETHIOPIC = "\u1200-\u139f"
WITHOUT_SPACES = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai to Khmer

UNSEPARATED = re.compile(f"[{HAN}{KANA}{WITHOUT_SPACES}]")
"""Characters of scripts that put no space between words: Chinese, Japanese, Thai, Lao, Tibetan,
Burmese, Khmer."""
DENSE = re.compile(f"[{HAN}{KANA}{HANGUL}{ETHIOPIC}]")
"""Characters that stand for a word or a syllable, and carry as much as several letters."""
VISIBLE = re.compile(r"\w")


def share(texts: Iterable[str], kind: re.Pattern[str]) -> float:
    """Share of the letters and digits of texts that are of the given kind.

    >>> share(["新的手机", "phone"], UNSEPARATED)
    0.444...
    """
    letters = 0
    matches = 0
    for text in texts:
        letters += len(VISIBLE.findall(text))
        matches += len(kind.findall(text))
    return min(1.0, matches / letters) if letters else 0.0


def separates_words(texts: Iterable[str]) -> bool:
    """Whether more than four fifths of the letters are of scripts that put spaces between words.

    >>> separates_words(["The new phone"]), separates_words(["新的手机电池更耐用"])
    (True, False)
    """
    return share(texts, UNSEPARATED) < 0.2
