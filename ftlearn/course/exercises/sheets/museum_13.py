"""The bug museum of notebook 13: labels, sampling and padding of real threads, to be mended."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function
from ftlearn.models import quiet


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_labels(), _sampling(), _padding()]


# --- q4: padding with the end token ---------------------------------------------------------------

IGNORED = -100


def _verify_labels(answer: Callable[..., Any]) -> str:
    require_function(answer, "rows and pad")
    for pad in (2, 0):  # the end token itself, and a token of its own
        rows = [[5, 7, 2], [9, 4, 6, 8, 2]]
        labels = [list(map(int, row)) for row in answer([list(row) for row in rows], pad)]
        if [len(row) for row in labels] != [5, 5]:
            raise NotYetError("both rows must be as long as the longest one, 5")
        if labels[0][3:] != [IGNORED] * 2:
            raise NotYetError("padding counts in the loss: its label must be -100")
        if IGNORED in (labels[0][2], labels[1][4]):
            raise NotYetError(
                "the end token of an answer has the label -100: the model is never taught to "
                "stop, and writes until its limit"
            )
        if labels != [[5, 7, 2, IGNORED, IGNORED], rows[1]]:
            raise NotYetError(f"the labels of the rows are their own ids; yours are {labels}")
    return "right: what is padding is decided by the position, never by the id"


def _labels_by_length(rows: list[list[int]], pad: int) -> list[list[int]]:
    width = max(map(len, rows))
    return [row + [IGNORED] * (width - len(row)) for row in rows]


def _labels_by_id(rows: list[list[int]], pad: int) -> list[list[int]]:
    width = max(map(len, rows))
    padded = [row + [pad] * (width - len(row)) for row in rows]
    return [[IGNORED if token == pad else token for token in row] for row in padded]


def _labels() -> Exercise:
    return Exercise(
        name="the model that never stops",
        difficulty=1,
        minutes=6,
        verify=_verify_labels,
        hints=(
            "which label does the last token of each row get, when pad is the end token?",
            "padding begins where the row ends: use its length, not its ids",
        ),
        worked=(
            "def answer(rows, pad):\n"
            "    width = max(len(row) for row in rows)\n"
            "    # padding is where the row has ended, whatever id stands there\n"
            "    return [row + [-100] * (width - len(row)) for row in rows]"
        ),
        broken=(
            "def answer(rows, pad):\n"
            "    width = max(len(row) for row in rows)\n"
            "    padded = [row + [pad] * (width - len(row)) for row in rows]\n"
            "    return [[-100 if token == pad else token for token in row] for row in padded]\n\n"
        ),
        example=_labels_by_length,
        mistakes=(
            (_labels_by_id, "never taught to stop"),
            (
                lambda rows, pad: [row + [pad] * (5 - len(row)) for row in rows],
                "padding counts",
            ),
            (lambda rows, pad: rows, "as long as the longest"),
            (lambda rows, pad: [[1, 1, 1, IGNORED, IGNORED], [1] * 5], "their own ids"),
            (0.5, "is a function"),
        ),
    )


# --- q5: settings that nobody chose ---------------------------------------------------------------


@cache
def _tiny(seed: int = 0, *, indifferent: bool = False) -> LlamaForCausalLM:
    """A decoder with random weights; an indifferent one hardly prefers any of its 200 tokens."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=200,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            initializer_range=0.5,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
        )
        model = LlamaForCausalLM(config).eval()
    if indifferent:  # the same order of the tokens at every position, or its reverse
        model.lm_head.weight.data = 1e-5 * torch.arange(200.0)[:, None].expand(200, 16).contiguous()
    return model


@contextmanager
def _silence() -> Iterator[None]:
    """A context without the warnings of transformers, which name folders of this machine."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _verify_sampling(answer: Callable[..., Any]) -> str:
    require_function(answer, "count, the number of new tokens")
    settings = answer(40)
    if not isinstance(settings, dict):
        raise NotYetError(f"return a dictionary of arguments for generate, not {settings!r}")
    if not settings.get("do_sample"):
        raise NotYetError("without do_sample=True nothing is drawn: that is greedy decoding")
    prompt = torch.full((32, 5), 7)
    with torch.random.fork_rng(devices=[]), _silence():
        torch.manual_seed(0)
        model = _tiny(indifferent=True)
        new = model.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)[:, 5:]
    if new.shape[1] != 40:
        raise NotYetError(
            f"40 new tokens were asked for, and {new.shape[1]} came: a limit that nobody chose"
        )
    if len(new.unique()) < 150:
        raise NotYetError(
            f"the model finds all 200 tokens equally probable, and only {len(new.unique())} of "
            "them ever come: something cuts the distribution"
        )
    return "right: every limit is now one that you chose"


def _chosen(count: int) -> dict[str, Any]:
    return {"do_sample": True, "top_k": 0, "max_new_tokens": count}


def _sampling() -> Exercise:
    return Exercise(
        name="sampling that is not pure",
        difficulty=1,
        minutes=6,
        verify=_verify_sampling,
        hints=(
            "which settings does generate take when you name none? Look for max_length and top_k",
            "max_new_tokens counts what is new; max_length counts the prompt, too",
            "top_k=0 cuts nothing",
        ),
        worked=(
            "def answer(count):\n"
            "    # unless told otherwise, generate draws among 50 tokens and stops after 20\n"
            '    return {"do_sample": True, "top_k": 0, "max_new_tokens": count}'
        ),
        broken='def answer(count):\n    return {"do_sample": True}\n\n',
        example=_chosen,
        mistakes=(
            (lambda count: {"do_sample": True}, "a limit that nobody chose"),
            (lambda count: {"do_sample": True, "top_k": 0, "max_length": count}, "a limit"),
            (lambda count: {"do_sample": True, "max_new_tokens": count}, "cuts the distribution"),
            (lambda count: {"top_k": 0, "max_new_tokens": count}, "greedy decoding"),
            (lambda count: count, "a dictionary"),
            (0.5, "is a function"),
        ),
    )


# --- q6: padding on the wrong side ----------------------------------------------------------------


@torch.no_grad()
def _next_tokens(ids: list[list[int]], mask: list[list[int]]) -> list[int]:
    inputs = torch.tensor(ids)
    keep = torch.tensor(mask)
    with _silence():  # of the warning that is the subject of the exercise
        new = _tiny(1).generate(inputs, attention_mask=keep, do_sample=False, max_new_tokens=4)
    return new[:, inputs.shape[1] :].tolist()


def _verify_padding(answer: Callable[..., Any]) -> str:
    require_function(answer, "rows and pad")
    rows = [[11, 24, 35, 46, 57], [68, 79], [81, 92, 103]]
    ids, mask = answer([list(row) for row in rows], 0)
    shapes = {(len(row), len(keep)) for row, keep in zip(ids, mask, strict=True)}
    if len(ids) != 3 or shapes != {(5, 5)}:
        raise NotYetError("ids and mask have three rows of 5 positions each")
    for row, keep, real in zip(ids, mask, rows, strict=True):
        if [token for token, kept in zip(row, keep, strict=True) if kept] != real:
            raise NotYetError("where the mask is 1 the row's own tokens must stand, in order")
    alone = [_next_tokens([row], [[1] * len(row)])[0] for row in rows]
    together = _next_tokens(ids, mask)
    changed = sum(first != second for first, second in zip(alone, together, strict=True))
    if changed:
        raise NotYetError(
            f"{changed} of 3 prompts are continued otherwise in the batch than alone: new tokens "
            "come after the last position, and behind these prompts padding stands there"
        )
    return "right: every prompt is continued as if it were alone"


def _padded_left(rows: list[list[int]], pad: int) -> tuple[list[list[int]], list[list[int]]]:
    width = max(map(len, rows))
    ids = [[pad] * (width - len(row)) + row for row in rows]
    return ids, [[0] * (width - len(row)) + [1] * len(row) for row in rows]


def _padded_right(rows: list[list[int]], pad: int) -> tuple[list[list[int]], list[list[int]]]:
    width = max(map(len, rows))
    ids = [row + [pad] * (width - len(row)) for row in rows]
    return ids, [[1] * len(row) + [0] * (width - len(row)) for row in rows]


def _all_kept(rows: list[list[int]], pad: int) -> tuple[list[list[int]], list[list[int]]]:
    ids, _ = _padded_left(rows, pad)
    return ids, [[1] * len(row) for row in ids]


def _padding() -> Exercise:
    return Exercise(
        name="a batch that answers otherwise",
        difficulty=2,
        minutes=8,
        verify=_verify_padding,
        hints=(
            "where does generate put the first new token of a short row?",
            "every prompt must end at the last position: the padding goes before it",
            "the mask is 0 on padding, on the same side",
        ),
        worked=(
            "def answer(rows, pad):\n"
            "    width = max(len(row) for row in rows)\n"
            "    # the new token comes after the last position, so the prompt has to end there\n"
            "    ids = [[pad] * (width - len(row)) + row for row in rows]\n"
            "    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]\n"
            "    return ids, mask"
        ),
        broken=(
            "def answer(rows, pad):\n"
            "    width = max(len(row) for row in rows)\n"
            "    ids = [row + [pad] * (width - len(row)) for row in rows]\n"
            "    return ids, [[1] * len(row) + [0] * (width - len(row)) for row in rows]\n\n"
        ),
        example=_padded_left,
        mistakes=(
            (_padded_right, "continued otherwise"),
            (_all_kept, "the row's own tokens"),
            (lambda rows, pad: (rows, [[1] * len(row) for row in rows]), "5 positions"),
            (lambda rows, pad: (_padded_left(rows, pad)[0], [[0] * 5] * 3), "own tokens"),
            (0.5, "is a function"),
        ),
    )
