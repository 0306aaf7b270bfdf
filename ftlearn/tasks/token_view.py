"""The tokens of a row as the loss sees them: which of them count, and which are only read."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ftlearn import markup
from ftlearn.losses import IGNORED
from ftlearn.markup import AsHtml, Markup, tag
from ftlearn.tasks.control_tokens import Tokens


@dataclass(frozen=True)
class TokenView(AsHtml):
    """The tokens of a row, highlighted where they count; as text, between double brackets.

    pieces : the characters of each token; those of a character in several tokens are at the last

    >>> TokenView(("Hi", " you", "<end>"), (5, 6, 2), (False, True, True))
    Hi[[ you<end>]]
    <BLANKLINE>
    2 of 3 tokens count.
    """

    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    counts: tuple[bool, ...]

    @classmethod
    def of(cls, tokens: Tokens, targets: list[int]) -> TokenView:
        """The view of tokens with their targets, which may be fewer where a row was cut.

        Nothing predicts the first token, so it never counts.
        """
        pieces = []
        start = 0
        for end in tokens.ends[: len(targets)]:
            pieces.append(tokens.text[start:end])
            start = max(start, end)
        counts = tuple(place > 0 and target != IGNORED for place, target in enumerate(targets))
        return cls(tuple(pieces), tuple(tokens.ids[: len(targets)]), counts)

    @property
    def sentence(self) -> str:
        """How many tokens count."""
        count = sum(self.counts)
        total = len(self.counts)
        return f"1 of {total} tokens counts." if count == 1 else f"{count} of {total} tokens count."

    def table(self) -> pd.DataFrame:
        """One line per token: its characters, its id, and whether it counts."""
        columns = {"piece": self.pieces, "id": self.ids, "counts": self.counts}
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self.ids) + 1, name="position"))

    def tokens_html(self) -> Markup:
        """The tokens one after the other, each as code, highlighted where it counts."""
        tokens = [
            _token(piece, index, counts)
            for piece, index, counts in zip(self.pieces, self.ids, self.counts, strict=True)
        ]
        return tag("div", *tokens, dir="auto")

    def tokens_text(self) -> str:
        """The tokens one after the other, those that count between double brackets."""
        text = ""
        previous = False
        for piece, counts in zip(self.pieces, self.counts, strict=True):
            text += ("[[" if counts else "]]") if counts != previous else ""
            text += piece
            previous = counts
        return markup.plain(text + ("]]" if previous else ""))

    def as_html(self) -> Markup:
        """The tokens, and the sentence as a status for screen readers."""
        status = tag("p", self.sentence, role="status", aria_live="polite")
        return markup.join(self.tokens_html(), status)

    def __repr__(self) -> str:
        return f"{self.tokens_text()}\n\n{self.sentence}"


def _token(piece: str, index: int, counts: bool) -> Markup:
    """A token as code, with a line break after it where it ends in one."""
    shown = piece.replace("\n", "↵").replace("\t", "⇥")
    core = shown.strip(" ")
    left = len(shown) - len(shown.lstrip(" ")) if core else len(shown)
    right = len(shown) - left - len(core)
    visible = "·" * left + core + "·" * right
    content = tag("mark", visible) if counts else visible
    token = tag("code", content, title=f"token {index}")
    return markup.join(token, tag("br")) if piece.endswith("\n") else markup.join(token, " ")
