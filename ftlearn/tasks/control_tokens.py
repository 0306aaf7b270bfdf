"""Text with control tokens: those that a template writes act, those that somebody typed are text.

A control token such as ``<|im_end|>`` ends a turn. If a user types these characters, a tokenizer
makes the same token of them, and the user speaks with the voice of the system. Here whatever was
typed is put between two private characters (``marked``) before a template sees it, and is tokenised
as the plain characters that it is. The ids are those of transformers'
``apply_chat_template(..., sanitize_control_tokens=True)``, and the places in the text are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ftlearn.errors import ArgumentError, ArgumentTypeError

OPENING = "\U000f0000"
CLOSING = "\U000f0001"
"""Private characters around what was typed, the same as in transformers."""
_BORDER = re.compile(f"[{OPENING}{CLOSING}]")


class Tokens(NamedTuple):
    """The ids of a text, and the place in it where each token ends."""

    text: str
    ids: list[int]
    ends: list[int]


class Piece(NamedTuple):
    """A part of a text: control tokens in it act, unless it was ``typed``."""

    text: str
    typed: bool


def pattern(tokenizer: Any, template: str = "") -> re.Pattern[str]:
    """What matches a control token: special ones, and added ones that the template writes."""
    acting = getattr(tokenizer, "chat_control_tokens", None) or template
    names = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or (token.content in acting and not token.content.isspace())
    ]
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def special_ids(tokenizer: Any) -> frozenset[int]:
    """The ids of special tokens; the unknown token is none, since any text may hold it."""
    special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(special - {tokenizer.unk_token_id} | {tokenizer.eos_token_id})


def marked(text: str, control: re.Pattern[str]) -> str:
    """The text with every control token in it between ``OPENING`` and ``CLOSING``.

    >>> marked("Hi<|im_end|>", re.compile("<.im_end.>")) == f"Hi{OPENING}<|im_end|>{CLOSING}"
    True
    """
    return control.sub(f"{OPENING}\\g<0>{CLOSING}", unmarked(text))


def unmarked(text: str) -> str:
    """The text without the private characters."""
    return _BORDER.sub("", text)


def tokenise(tokenizer: Any, texts: Sequence[str], control: re.Pattern[str]) -> list[Tokens]:
    """The tokens of marked texts; each text is tokenised as a whole, except around what was typed.

    Raises TypeError for a tokenizer that does not know the places of its tokens, ValueError where
    a control token cannot be written as plain text.
    """
    if not tokenizer.is_fast:
        raise ArgumentTypeError(
            f"{type(tokenizer).__name__} does not say which characters a token stands for: load "
            "the fast tokenizer of this model"
        )
    clean = [text for text in texts if not _BORDER.search(text)]
    whole = iter(_encoded(tokenizer, clean) if clean else [])
    return [
        _join(tokenizer, text, control) if _BORDER.search(text) else next(whole) for text in texts
    ]


def pieces(text: str, control: re.Pattern[str]) -> Iterator[Piece]:
    """The parts of a marked text; a private character that stands alone is a border, too."""
    typed = re.compile(f"{OPENING}({control.pattern}){CLOSING}|{_BORDER.pattern}")
    start = 0
    for match in typed.finditer(text):
        yield Piece(text[start : match.start()], typed=False)
        yield Piece(match[1] or "", typed=True)
        start = match.end()
    yield Piece(text[start:], typed=False)


def _join(tokenizer: Any, text: str, control: re.Pattern[str]) -> Tokens:
    """The tokens of a text, piece by piece."""
    ids: list[int] = []
    ends: list[int] = []
    length = 0
    for number, piece in enumerate(pieces(text, control)):
        if not piece.text:
            continue
        tokens = _piece_tokens(tokenizer, piece, first=number == 0)
        ids += tokens.ids
        ends += [length + end for end in tokens.ends]
        length += len(piece.text)
    return Tokens(unmarked(text), ids, ends)


def _piece_tokens(tokenizer: Any, piece: Piece, *, first: bool) -> Tokens:
    """The tokens of a piece as they are in the middle of a text.

    Some tokenizers put a space before a text, so a piece is read after a line break, which is then
    taken away, as transformers does it.
    """
    if first:
        return _encoded(tokenizer, [piece.text])[0]
    newline = _encoded(tokenizer, ["\n"])[0].ids
    after = _encoded(tokenizer, ["\n" + piece.text], typed=piece.typed)[0]
    if after.ids[: len(newline)] == newline:
        rest = slice(len(newline), None)
        tokens = Tokens(piece.text, after.ids[rest], [end - 1 for end in after.ends[rest]])
    else:
        tokens = _encoded(tokenizer, [piece.text], typed=piece.typed)[0]
    if piece.typed and tokenizer.convert_tokens_to_ids(piece.text) in tokens.ids:
        ids = _without_added_tokens(tokenizer, piece.text)
        tokens = Tokens(piece.text, ids, [len(piece.text)] * len(ids))
    return tokens


def _encoded(tokenizer: Any, texts: Sequence[str], *, typed: bool = False) -> list[Tokens]:
    """The tokens of texts without marks; special tokens in a typed text are plain characters."""
    encoding = tokenizer(
        list(texts),
        add_special_tokens=False,
        split_special_tokens=typed,
        return_offsets_mapping=True,
        verbose=False,
    )
    return [
        Tokens(text, list(ids), [end for _, end in offsets])
        for text, ids, offsets in zip(
            texts, encoding["input_ids"], encoding["offset_mapping"], strict=True
        )
    ]


def _without_added_tokens(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text for which a tokenizer has an added token that is not special."""
    backend = tokenizer.backend_tokenizer
    words = [text]
    if backend.normalizer is not None:
        words = [backend.normalizer.normalize_str(text)]
    if backend.pre_tokenizer is not None:
        words = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(words[0])]
    ids = [token.id for word in words for token in backend.model.tokenize(word)]
    if tokenizer.convert_tokens_to_ids(text) in ids:
        raise ArgumentError(
            f"the control token {text!r} cannot be made harmless, since this tokenizer has no "
            "other way to write it: take it out of the messages"
        )
    return ids
