"""From text to tokens to ids, and what no longer fits into the window."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ftlearn.course.explorers.view import View


def tokens(tokenizer: Any, text: str, max_length: int = 16) -> View:
    """Every piece of a text with its id and a note: special, unknown, continued or cut off.

    ``max_length`` is the window in pieces, special ones included. Raises ValueError for a window
    without room for a piece of the text.
    """
    all_ids = tokenizer(text, verbose=False)["input_ids"]
    window_ids = tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    content = [token_id for token_id in all_ids if token_id not in special]
    inside = sum(token_id not in special for token_id in window_ids)
    if content and not inside:
        raise ValueError(f"max_length is {max_length}: no piece of the text would fit in")
    cut = content[inside:]
    rows = [_row(tokenizer, token_id, token_id in special) for token_id in window_ids]
    rows += [{**_row(tokenizer, token_id, False), "note": "cut off"} for token_id in cut]
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="position"))
    return View(_sentence(tokenizer, len(window_ids), max_length, cut), (table,))


def _row(tokenizer: Any, token_id: int, is_special: bool) -> dict[str, Any]:
    piece = tokenizer.convert_ids_to_tokens(token_id)
    note = "special" if is_special else ""
    if token_id == tokenizer.unk_token_id:
        note = "unknown"
    elif piece.startswith("##"):
        note = "continues a word"
    return {"piece": piece, "id": token_id, "note": note}


def _sentence(tokenizer: Any, count: int, window: int, cut: list[int]) -> str:
    start = f"{count} pieces in a window of {window}"
    if not cut:
        return f"{start}; nothing is cut off."
    rest = tokenizer.convert_tokens_to_string(tokenizer.convert_ids_to_tokens(cut))
    more = "1 more is" if len(cut) == 1 else f"{len(cut)} more are"
    return f"{start}; {more} cut off, and the model never sees: {rest}"
