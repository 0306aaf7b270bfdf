"""Rotary and learned positions, and how they are stretched over longer texts.

Su et al. 2021 (RoFormer, arXiv 2104.09864) turn pair j of a query or key at position m by the
angle m θ_j, with θ_j = b^(−2j/W), W the width of a head and b = 10,000. A model that was trained
on L positions reads s L of them when the frequencies are lowered:

    position interpolation   θ_j / s                        all pairs alike
    NTK-aware                b becomes b s^(W/(W−2))        the slowest pair by s, the fastest not
    by parts                 θ_j / s for pairs with few turns within L, θ_j for those with many
    YaRN                     by parts, with sharper attention

The functions that return frequencies return θ in radians per position, (W/2,) in fp64.
"""

from __future__ import annotations

import math

import torch
from torch import nn

BASE = 10_000.0


def frequencies(width: int, *, base: float = BASE) -> torch.Tensor:
    """θ_j = b^(−2j/W), (W/2,): pair 0 turns by one radian per position, the last one hardly.

    >>> frequencies(4)
    tensor([1.0000, 0.0100], dtype=torch.float64)
    """
    if width < 2 or width % 2:
        raise ValueError(f"a head of width {width} has no whole pairs: it must be even")
    return base ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)


def interpolated(width: int, scale: float, *, base: float = BASE) -> torch.Tensor:
    """θ_j / s: position interpolation, the same as dividing positions by s (Chen et al. 2023).

    arXiv 2306.15595. Position s L has the angles that L had in training.

    >>> interpolated(4, 2.0)
    tensor([0.5000, 0.0050], dtype=torch.float64)
    """
    return _scaled_down(frequencies(width, base=base), scale)


def ntk_aware(width: int, scale: float, *, base: float = BASE) -> torch.Tensor:
    """θ_j with the base b s^(W/(W−2)): the last pair is slowed by s, the first stays.

    Peng et al. 2023 (YaRN, arXiv 2309.00071).

    >>> ntk_aware(4, 2.0)
    tensor([1.0000, 0.0050], dtype=torch.float64)
    """
    if width < 4:
        raise ValueError(f"NTK-aware scaling needs two pairs, which a head of width {width} lacks")
    _check_scale(scale)
    return frequencies(width, base=base * scale ** (width / (width - 2)))


def dynamic_ntk(
    width: int, length: int, *, trained: int, factor: float = 1.0, base: float = BASE
) -> torch.Tensor:
    """NTK-aware with the scale that this text needs: factor·(length/L − 1) + 1, at least 1.

    ``trained`` is L. Texts of up to L tokens are read as in training. The same as ``"dynamic"``
    in transformers. Library only: no lesson uses it yet.

    >>> bool((dynamic_ntk(8, 100, trained=512) == frequencies(8)).all())
    True
    """
    return ntk_aware(width, max(1.0, factor * (length / trained - 1) + 1), base=base)


def by_parts(
    width: int,
    scale: float,
    *,
    trained: int,
    slow: float = 1.0,
    fast: float = 32.0,
    base: float = BASE,
) -> torch.Tensor:
    """θ_j / s for pairs with up to ``slow`` turns in L positions, θ_j from ``fast`` turns on.

    In between, a straight line in the number of turns r_j = L θ_j / 2π. Peng et al. 2023 (YaRN)
    call ``slow`` and ``fast`` α and β; Llama 3.1 uses 1 and 4.

    >>> by_parts(4, 2.0, trained=128)  # 20.4 turns and 0.2 turns
    tensor([0.8124, 0.0050], dtype=torch.float64)
    """
    _check_turns(slow, fast)
    theta = frequencies(width, base=base)
    turns = trained * theta / (2 * math.pi)
    unscaled = ((turns - slow) / (fast - slow)).clamp(0, 1)
    return unscaled * theta + (1 - unscaled) * _scaled_down(theta, scale)


def yarn(
    width: int,
    scale: float,
    *,
    trained: int,
    slow: float = 1.0,
    fast: float = 32.0,
    base: float = BASE,
) -> torch.Tensor:
    """By parts as in YaRN's published code and transformers; see ``attention_factor``.

    Unlike in the paper's formula (``by_parts``), the line between ``fast`` and ``slow`` turns is
    straight in the number j of the pair, and its ends are rounded outwards to whole pairs.

    >>> yarn(8, 2.0, trained=128) / frequencies(8)
    tensor([1.0000, 0.7500, 0.5000, 0.5000], dtype=torch.float64)
    """
    _check_turns(slow, fast)
    theta = frequencies(width, base=base)

    def pair(turns: float) -> float:
        return width * math.log(trained / (2 * math.pi * turns)) / (2 * math.log(base))

    first = max(math.floor(pair(fast)), 0)
    last = min(math.ceil(pair(slow)), width - 1)
    pairs = torch.arange(width // 2, dtype=torch.float64)
    unscaled = 1 - ((pairs - first) / max(last - first, 1e-3)).clamp(0, 1)
    return unscaled * theta + (1 - unscaled) * _scaled_down(theta, scale)


def attention_factor(scale: float) -> float:
    """√(1/t) = 0.1 ln s + 1, with which YaRN multiplies cos and sin, and so scores by 1/t.

    softmax(q·k / (t √W)) with t < 1 is sharper. Peng et al. 2023 (section 3.4) fitted this line
    to the perplexity of LLaMA; the reason that they give is that lower frequencies make attention
    too even. s below 1 changes nothing.

    >>> round(attention_factor(16), 4)
    1.2773
    """
    return 0.1 * math.log(scale) + 1 if scale > 1 else 1.0


def cos_sin(
    positions: torch.Tensor, theta: torch.Tensor, *, factor: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin of m θ_j: positions (T,) and θ (W/2,) to two fp32 tables (T, W/2) on θ's device.

    ``factor`` is YaRN's ``attention_factor``. Positions need not be whole numbers.

    >>> cos_sin(torch.tensor([0, 1]), frequencies(2))[0]
    tensor([[1.0000],
            [0.5403]])
    """
    # In fp32 the angle of position 100,000 would be off by several thousandths.
    angles = positions.to(theta).unsqueeze(-1) * theta
    return (angles.cos() * factor).float(), (angles.sin() * factor).float()


def rotate(
    vectors: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, halves: bool = False
) -> torch.Tensor:
    """Turn each pair (a, b) of a query or key to (a cos − b sin, a sin + b cos).

    vectors (..., T, W), cos and sin (T, W/2). Pairs are neighbours, 2j and 2j + 1, as in the
    paper (equation 34); with ``halves`` j and j + W/2, as in transformers' Llama. Lengths stay
    the same, and the score of a query at m with a key at n depends only on m − n.

    >>> quarter = torch.tensor([[0.0]]), torch.tensor([[1.0]])  # cos and sin of 90°
    >>> rotate(torch.tensor([[1.0, 0.0]]), *quarter)
    tensor([[0., 1.]])
    """
    a, b = vectors.chunk(2, -1) if halves else (vectors[..., 0::2], vectors[..., 1::2])
    rotated = (a * cos - b * sin, a * sin + b * cos)
    joined = torch.cat(rotated, -1) if halves else torch.stack(rotated, -1).flatten(-2)
    return joined.to(vectors.dtype)


def resize_table(table: torch.Tensor, length: int) -> torch.Tensor:
    """A learned table (P, D) at ``length`` evenly spaced positions, first and last rows kept.

    Linear interpolation between neighbouring rows, in one dimension what vision transformers do
    in two for larger images (Dosovitskiy et al. 2020, arXiv 2010.11929, section 3.2).

    >>> resize_table(torch.tensor([[0.0], [4.0]]), 5).flatten()
    tensor([0., 1., 2., 3., 4.])
    """
    if len(table) < 2 or length < 2:
        raise ValueError(f"a line needs two ends: cannot make {length} rows from {len(table)}")
    positions = torch.arange(length, device=table.device, dtype=torch.float64)
    positions = positions * (len(table) - 1) / (length - 1)
    below = positions.long().clamp(max=len(table) - 2)
    weights = (positions - below).to(table.dtype)[:, None]
    return torch.lerp(table[below], table[below + 1], weights)


@torch.no_grad()
def resize_learned(model: nn.Module, length: int) -> None:
    """Resize the learned position table of a BERT-like model, in place, to ``length`` tokens.

    Works on models with a table ``embeddings.position_embeddings``: BERT, RoBERTa, DistilBERT.
    Rotary models have none; change their frequencies instead. Call it before making the optimiser,
    since the table is a new parameter. The tokenizer's ``model_max_length`` is not changed.
    """
    embeddings = getattr(getattr(model, "base_model", model), "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    if not isinstance(table, nn.Embedding):
        raise ValueError(
            f"{type(model).__name__} has no learned position table embeddings.position_embeddings: "
            "BERT, RoBERTa and DistilBERT have one"
        )
    # RoBERTa counts from the padding id + 1; the rows up to there are no position of a text.
    offset = 0 if table.padding_idx is None else table.padding_idx + 1
    rows = torch.cat([table.weight[:offset], resize_table(table.weight[offset:], length)])
    table.weight = nn.Parameter(rows, requires_grad=table.weight.requires_grad)
    table.num_embeddings = model.config.max_position_embeddings = len(rows)
    embeddings.position_ids = torch.arange(len(rows), device=rows.device)[None]
    if hasattr(embeddings, "token_type_ids"):
        embeddings.token_type_ids = torch.zeros_like(embeddings.position_ids)


def _scaled_down(theta: torch.Tensor, scale: float) -> torch.Tensor:
    _check_scale(scale)
    return theta / scale


def _check_scale(scale: float) -> None:
    if not scale > 0:
        raise ValueError(f"scale is {scale}: it is the new length over the old, so above 0")


def _check_turns(slow: float, fast: float) -> None:
    if not 0 < slow < fast:
        raise ValueError(f"slow is {slow} and fast {fast} turns: 0 < slow < fast must hold")
