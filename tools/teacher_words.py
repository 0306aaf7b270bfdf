"""The words of the teacher's cells in Chinese; the texts of exercises come from the catalogues."""

from __future__ import annotations

from ftlearn import language
from ftlearn.language import Catalogue

CHINESE_TEXTS = {
    "For the teacher": "教师须知",
    "The numbers to expect, as measured when the lesson was last executed:": (
        "应当得到的数字，为本课上一次执行时所测："
    ),
    "The running time was not measured.": "没有测过运行时间。",
    "for example": "例如",
    "minutes": "分钟",
    "the question, and what everybody expects": "本课的问题，以及大家各自的预期",
    "the summary: which claims surprised you?": "小结：哪些结论出乎你的意料？",
    "typical mistake": "典型错误",
    "what": "内容",
    "what the check says": "检查给出的提示",
}
CHINESE_PATTERNS = {
    "A plan for {minutes} minutes:": "{minutes} 分钟的安排：",
    "*error*: {text}": "*出错*：{text}",
    "*not yet*: {text}": "*还差一点*：{text}",
    "**For the teacher, {name}:** *{title}*, {stars}, {minutes} min.": (
        "**教师须知，{name}：** *{title}*，{stars}，{minutes} 分钟。"
    ),
    "**For the teacher, {name}:** the answer is {right}.": (
        "**教师须知，{name}：** 答案是 {right}。"
    ),
    "All cells together run in {seconds} s with {memory} MB of memory on {machine}.": (
        "所有单元格在 {machine}上一共运行 {seconds} 秒，占用 {memory} MB 内存。"
    ),
    "Hint {number}: {hint}": "提示 {number}：{hint}",
    "The {number} exercises take about {minutes} minutes.": "{number} 道练习约需 {minutes} 分钟。",
    "{number} short questions are asked on the way.": "途中还有 {number} 道小题。",
    "To take home: {names}.": "带回家做：{names}。",
    "exercises {names}": "练习 {names}",
    "{number} CPU cores": "{number} 个 CPU 核",
}


def load(chosen: str) -> Catalogue:
    """The words of the teacher's cells in a language; English has an empty catalogue.

    Raises LanguageError for a language that does not exist.

    >>> load("zh").translate("exercises q1, q2")
    '练习 q1, q2'
    """
    if chosen == "en":
        return Catalogue({})
    language.paths(chosen)  # complains about an unknown language
    return Catalogue(CHINESE_TEXTS, CHINESE_PATTERNS)
