"""From text to pieces to ids, and what no longer fits into the window."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ftlearn.course.explorers.view import View


def tokens(tokenizer: Any, text: str, max_length: int = 16) -> View:
    """Every piece of a text with its id and what is special about it; cut pieces are named so.

    ``max_length`` is the window in pieces, special ones included. Raises ValueError for a window
    that has no room for a piece of the text.
    """
    whole = tokenizer(text, verbose=False)["input_ids"]
    kept = tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    content = [each for each in whole if each not in special]
    inside = sum(each not in special for each in kept)
    if content and not inside:
        raise ValueError(f"max_length is {max_length}: no piece of the text would fit in")
    cut = content[inside:]
    rows = [_row(tokenizer, each, each in special) for each in kept]
    rows += [{**_row(tokenizer, each, False), "note": "cut off"} for each in cut]
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="place"))
    return View(_sentence(tokenizer, len(kept), max_length, cut), (table,))


def _row(tokenizer: Any, number: int, is_special: bool) -> dict[str, Any]:
    piece = tokenizer.convert_ids_to_tokens(number)
    note = "special" if is_special else ""
    if number == tokenizer.unk_token_id:
        note = "unknown"
    elif piece.startswith("##"):
        note = "continues a word"
    return {"piece": piece, "id": number, "note": note}


def _sentence(tokenizer: Any, count: int, window: int, cut: list[int]) -> str:
    start = f"{count} pieces in a window of {window}"
    if not cut:
        return f"{start}; nothing is cut off."
    lost = tokenizer.convert_tokens_to_string(tokenizer.convert_ids_to_tokens(cut))
    more = "1 more is" if len(cut) == 1 else f"{len(cut)} more are"
    return f"{start}; {more} cut off, and the model never sees: {lost}"
