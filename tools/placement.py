"""Writes docs/placement.md, the placement quiz on paper, from its questions.

python -m tools.placement
"""

from __future__ import annotations

import sys
from pathlib import Path

from ftlearn.course.exercises import placement
from ftlearn.course.exercises.question import LETTERS, Question
from tools import notebooks, site_sources

PAGE = notebooks.ROOT / "docs" / "placement.md"
INTRODUCTION = """\
# Where to begin

Twelve questions, ten minutes, nothing to look up: they tell with which lesson to begin. Each has \
one right answer. Leave out what you do not know. Guesses would send you too far.

In a notebook the same questions have buttons, and the last line says the lesson:

```python
from ftlearn.course.exercises import placement

ex = placement.load()
ex.quiz1  # one cell per question, up to ex.quiz12
```

```python
ex.lesson()
```

Nothing is stored or sent."""
SCORES = """\
## Where you begin

Two questions belong to each line. Begin with the lesson of the first line in which you do not \
have both right."""
ANSWERS = f"""\
## Answers

<details>
{site_sources.summary("en")}"""


def page() -> str:
    """The whole page as Markdown, with the answers folded at its end."""
    questions = placement.questions()
    asked = [
        f"## Question {number}\n\n{question.text}\n\n{choices(question)}"
        for number, question in enumerate(questions, start=1)
    ]
    answered = [
        f"**{number}: {question.right}.** {question.why}."
        for number, question in enumerate(questions, start=1)
    ]
    parts = [INTRODUCTION, *asked, SCORES, table(), ANSWERS, *answered, "</details>"]
    return "\n\n".join(parts) + "\n"


def choices(question: Question) -> str:
    """The choices of a question with their letters, as a list."""
    pairs = zip(LETTERS, question.choices, strict=False)
    return "\n".join(f"- **{letter}** · {choice.text}" for letter, choice in pairs)


def table() -> str:
    """Which questions lead to which lesson, as a Markdown table."""
    rows = [
        f"| {2 * place + 1}, {2 * place + 2} | {link(lesson)} |"
        for place, lesson in enumerate(placement.BEGINNINGS)
    ]
    last = f"| all right | {link(placement.LAST)} |"
    return "\n".join(["| questions | lesson |", "|---|---|", *rows, last])


def link(number: str) -> str:
    """A link to a lesson by its number."""
    (path,) = notebooks.find([number])
    _, question = notebooks.title(notebooks.read(path))
    return f"[{number} · {question}](../notebooks/{path.name})"


def main(path: Path = PAGE) -> int:
    """Write the page."""
    path.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
