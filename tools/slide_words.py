"""The words of slides and handouts in Chinese, with those of the teacher's cells."""

from __future__ import annotations

from ftlearn.language import Catalogue
from tools import teacher_words

CHINESE_TEXTS = {
    "Date": "日期",
    "Exercises": "练习",
    "Formulas": "公式",
    "Name": "姓名",
    "Question": "小题",
    "Summary": "小结",
    "Words": "术语",
    "min": "分钟",
}


def load(chosen: str) -> Catalogue:
    """The words of slides and handouts in a language.

    Raises LanguageError for a language that does not exist.

    >>> load("zh").translate("Exercises"), load("en").translate("Exercises")
    ('练习', 'Exercises')
    """
    words = teacher_words.load(chosen)
    if chosen == "en":
        return words
    texts = teacher_words.CHINESE_TEXTS | CHINESE_TEXTS
    return Catalogue(texts, teacher_words.CHINESE_PATTERNS)
