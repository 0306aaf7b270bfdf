"""A tokenizer against the model whose embeddings its ids select, and against the texts it reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from torch import nn
from transformers import PreTrainedTokenizerBase

from ftlearn.compatibility import scripts
from ftlearn.compatibility.findings import Finding

SAMPLE = 200
LONGEST = 1000
"""Texts that are examined, and characters of each: enough for a share, and quick."""
FEWEST = 20
"""The fewest tokens whose shares mean something."""
UNKNOWN = 0.05
WORTHLESS = 0.9
"""Shares of unknown tokens from which a note is given, and above which nothing can be learnt."""
LETTERS = 0.75
SYLLABLES = 1.25
"""Tokens per character from which a note is given: in alphabets (MiniLM has 0.27 in English, 0.4
in German, 1 in Russian and Arabic), and where a character is a word or a syllable (0.6 to 1 in
Chinese with a vocabulary of its own, 2 in bytes)."""
SPARSE = 100
"""Characters per token: more than in any language."""
FEW = 0.9
SPARE = 256
"""A tokenizer of the same model uses at least this share of the rows of the word table, or all but
this many: tables are a little larger than the vocabulary, for the sake of the hardware."""
SHOWN = 5
"""Unknown words that a message names."""
EMPTY = 3
"""The fewest tokens of a vocabulary without special ones: DNA has four bases."""
REMEDY = (
    "a model for their language, or a multilingual one such as 'intfloat/multilingual-e5-small' "
    "or 'xlm-roberta-base', reads them"
)


def tokenizer_and_model(
    tokenizer: Any, model: nn.Module | None, folder: str | None = None
) -> list[Finding]:
    """Whether a tokenizer has a vocabulary, and the model's word table a row for each of its ids.

    ``folder`` says in messages where the two are. Tokenizers and models of other libraries are not
    examined.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return []
    ids = tokenizer.get_vocab()
    rows = word_rows(model)
    place = repr(folder)
    subject = f"the tokenizer in {place!s}" if folder else "the tokenizer"
    if not _has_words(ids, tokenizer):
        return [_empty(tokenizer, subject)]
    largest = max(ids.values())
    if rows is None or min(FEW * rows, rows - SPARE) <= largest + 1 <= rows:
        return []
    if largest >= rows:
        message = (
            f"{subject} has ids up to {largest}, and the model's word table has {rows} "
            "rows: take the tokenizer that belongs to the model, or give the table a row for each "
            f"token (model.resize_token_embeddings({largest + 1})) and save both again"
        )
        return [Finding("vocabulary", message, error=True)]
    message = (
        f"{subject} has {largest + 1} tokens, and the model's word table has {rows} "
        "rows: do the two belong to one model?"
    )
    return [Finding("vocabulary", message)]


def _has_words(ids: Mapping[str, int], tokenizer: PreTrainedTokenizerBase) -> bool:
    special = set(tokenizer.all_special_tokens)
    words = (word for word in ids if word not in special and not word.startswith(("<", "[")))
    return len(list(islice(words, EMPTY))) == EMPTY


def _empty(tokenizer: PreTrainedTokenizerBase, subject: str) -> Finding:
    names = sorted(set(tokenizer.vocab_files_names.values()) | {"tokenizer.json"})
    message = (
        f"{subject} knows {len(tokenizer)} tokens and not one word: its files "
        f"({' or '.join(names)}) are missing or empty; copy them from the model it was made from, "
        "or save its tokenizer into the same folder (tokenizer.save_pretrained)"
    )
    return Finding("vocabulary", message, error=True)


def word_rows(model: nn.Module | None) -> int | None:
    """Rows of a model's word table; None for a model that has none or does not show it."""
    body = getattr(model, "base_model", model)
    get = getattr(body, "get_input_embeddings", None)
    try:
        table = get() if get else None
    except NotImplementedError:  # CANINE reads characters, and hashes them
        return None
    weight = getattr(table, "weight", None)
    return None if weight is None else len(weight)


class Reading(NamedTuple):
    """Counts of a tokenised sample: tokens, unknown ones, characters; and some unknown words."""

    tokens: int
    unknown: int
    characters: int
    examples: list[str]


def read(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> Reading:
    """Tokenise a sample without special tokens, and count."""
    fast = tokenizer.is_fast
    encoding = tokenizer(
        list(texts), add_special_tokens=False, verbose=False, return_offsets_mapping=fast
    )
    tokens = 0
    unknown = 0
    unknown_words = Counter()
    for row, ids in enumerate(encoding["input_ids"]):
        tokens += len(ids)
        positions = [index for index, token in enumerate(ids) if token == tokenizer.unk_token_id]
        unknown += len(positions)
        spans = [encoding["offset_mapping"][row][index] for index in positions] if fast else []
        unknown_words.update(texts[row][start:end].strip() for start, end in spans)
    characters = sum(len("".join(text.split())) for text in texts)
    examples = [word[:20] for word, _ in unknown_words.most_common(SHOWN) if word]
    return Reading(tokens, unknown, characters, examples)


def tokenizer_and_texts(
    tokenizer: Any, texts: Sequence[str], name: str = "the texts"
) -> list[Finding]:
    """Whether a tokenizer knows the script and the words of a sample of texts.

    An error where it makes no tokens or only unknown ones of them; a note where many are unknown,
    or where words fall into single letters or bytes, which a model has not learnt to read.
    ``name`` is what messages call the texts.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return []
    texts = [text[:LONGEST] for text in texts]
    if not texts:
        return []
    reading = read(texts, tokenizer)
    if reading.tokens * SPARSE < reading.characters:
        message = (
            f"the tokenizer makes {reading.tokens} tokens of {reading.characters} characters of "
            f"{name}: its files are empty or of another model; load the model with the tokenizer "
            "that belongs to it"
        )
        return [Finding("vocabulary", message, error=True)]
    if reading.tokens < FEWEST:
        return []
    return _unknown_tokens(reading, name) or _short_tokens(reading, texts, name)


def _unknown_tokens(reading: Reading, name: str) -> list[Finding]:
    share = reading.unknown / reading.tokens
    if share < UNKNOWN:
        return []
    examples = f" ({', '.join(reading.examples)})" if reading.examples else ""
    worthless = share > WORTHLESS
    effect = "there is nothing to learn from" if worthless else "it cannot tell them apart"
    message = (
        f"{share:.0%} of the tokens of {name} are unknown to the model{examples}: {effect}; "
        f"{REMEDY}"
    )
    return [Finding("vocabulary", message, error=worthless)]


def _short_tokens(reading: Reading, texts: Sequence[str], name: str) -> list[Finding]:
    rate = reading.tokens / reading.characters
    dense = scripts.share(texts, scripts.DENSE) > 0.5
    if rate < (SYLLABLES if dense else LETTERS):
        return []
    message = (
        f"{name} fall into pieces of a character or less ({rate:.1f} tokens for each): the model "
        f"has hardly seen their language, and its window fills early; {REMEDY}"
    )
    return [Finding("vocabulary", message)]


def sample(count: int) -> range:
    """At most ``SAMPLE`` of ``count`` rows, evenly spaced.

    >>> sample(3), sample(500)
    (range(0, 3), range(0, 500, 3))
    """
    return range(0, count, max(1, -(-count // SAMPLE)))
