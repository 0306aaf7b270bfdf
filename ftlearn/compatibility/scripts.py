"""What kind of writing texts are in, as far as it decides how they can be cut into pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable

HAN = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL, ETHIOPIC = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af", "\u1200-\u139f"
WITHOUT_SPACES = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai to Khmer

UNSEPARATED = re.compile(f"[{HAN}{KANA}{WITHOUT_SPACES}]")
"""Characters of scripts that put no space between words: Chinese, Japanese, Thai, Lao, Tibetan,
Burmese, Khmer."""
DENSE = re.compile(f"[{HAN}{KANA}{HANGUL}{ETHIOPIC}]")
"""Characters that stand for a word or a syllable, and carry as much as several letters."""
VISIBLE = re.compile(r"\w")


def share(texts: Iterable[str], kind: re.Pattern[str]) -> float:
    """Share of the letters and digits of texts that are of a kind.

    >>> share(["新的手机", "phone"], UNSEPARATED)
    0.444...
    """
    letters = found = 0
    for text in texts:
        letters += len(VISIBLE.findall(text))
        found += len(kind.findall(text))
    return min(1.0, found / letters) if letters else 0.0


def separates_words(texts: Iterable[str]) -> bool:
    """Whether four fifths of what texts hold are in scripts that put spaces between words.

    >>> separates_words(["The new phone"]), separates_words(["新的手机电池更耐用"])
    (True, False)
    """
    return share(texts, UNSEPARATED) < 0.2
