"""Rotary frequencies against transformers' own, rotations against complex numbers and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rounding import assert_alike
from tiny_models import POSITIONS, WHOLE, logits
from transformers import AutoModel, LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from ftlearn import models
from ftlearn.interpolation import positions

seeds = st.integers(0, 2**32 - 1)
widths = st.sampled_from([4, 16, 64, 128])
bases = st.sampled_from([10_000.0, 500_000.0])
scales = st.floats(1, 64)
TRAINED = 512


def transformers_frequencies(
    kind: str, width: int, base: float, **settings: float
) -> tuple[torch.Tensor, float]:
    """The inverse frequencies and the attention factor of transformers for the same numbers."""
    config = LlamaConfig(
        hidden_size=2 * width,
        num_attention_heads=2,
        max_position_embeddings=TRAINED,
        rope_parameters={"rope_type": kind, "rope_theta": base, **settings},
    )
    if kind == "default":
        return LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    length = settings.pop("length", None)
    return ROPE_INIT_FUNCTIONS[kind](config, device="cpu", seq_len=length)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Within a relative 1e-6, since transformers computes in fp32 and the slowest are tiny."""
    torch.testing.assert_close(found.float(), expected.float(), rtol=1e-6, atol=0)


@given(widths, bases)
def test_plain_frequencies_are_transformers(width: int, base: float):
    close(
        positions.frequencies(width, base=base), transformers_frequencies("default", width, base)[0]
    )


@given(widths, bases, scales)
def test_interpolated_frequencies_are_transformers(width: int, base: float, scale: float):
    expected, _ = transformers_frequencies("linear", width, base, factor=scale)
    close(positions.interpolated(width, scale, base=base), expected)


@given(widths, bases, scales, st.integers(1, 4096))
def test_dynamic_frequencies_are_transformers(width: int, base: float, scale: float, length: int):
    expected, _ = transformers_frequencies("dynamic", width, base, factor=scale, length=length)
    found = positions.dynamic_ntk(width, length, trained=TRAINED, factor=scale, base=base)
    close(found, expected)


@given(widths, bases, scales, st.floats(0.5, 2), st.floats(4, 40))
def test_yarn_is_transformers(width: int, base: float, scale: float, slow: float, fast: float):
    expected, factor = transformers_frequencies(
        "yarn",
        width,
        base,
        factor=scale,
        beta_slow=slow,
        beta_fast=fast,
        original_max_position_embeddings=TRAINED,
    )
    found = positions.yarn(width, scale, trained=TRAINED, slow=slow, fast=fast, base=base)
    close(found, expected)
    assert positions.attention_factor(scale) == pytest.approx(factor, abs=1e-12)


@given(widths, bases, scales, st.floats(0.5, 2), st.floats(4, 40))
def test_by_parts_is_transformers_llama3(
    width: int, base: float, scale: float, slow: float, fast: float
):
    expected, _ = transformers_frequencies(
        "llama3",
        width,
        base,
        factor=scale,
        low_freq_factor=slow,
        high_freq_factor=fast,
        original_max_position_embeddings=TRAINED,
    )
    found = positions.by_parts(width, scale, trained=TRAINED, slow=slow, fast=fast, base=base)
    close(found, expected)


def test_by_parts_is_the_papers_formula():
    width, scale, base = 128, 16.0, 10_000.0
    found = positions.by_parts(width, scale, trained=4096, base=base)
    for j in range(width // 2):
        theta = base ** (-2 * j / width)
        turns = 4096 / (2 * math.pi / theta)
        ramp = 0 if turns < 1 else 1 if turns > 32 else (turns - 1) / 31
        assert found[j].item() == pytest.approx(
            (1 - ramp) * theta / scale + ramp * theta, rel=1e-12
        )


stretches = pytest.mark.parametrize(
    "stretch",
    [
        positions.interpolated,
        positions.ntk_aware,
        lambda width, scale: positions.by_parts(width, scale, trained=TRAINED),
        lambda width, scale: positions.yarn(width, scale, trained=TRAINED),
    ],
    ids=["interpolated", "ntk_aware", "by_parts", "yarn"],
)


@stretches
@given(width=widths, scale=scales)
def test_every_stretch_lies_between_none_and_interpolation(stretch, width: int, scale: float):
    theta, found = positions.frequencies(width), stretch(width, scale)
    assert (found <= theta * (1 + 1e-12)).all()
    assert (found >= theta / scale * (1 - 1e-12)).all()
    assert (found.diff() < 0).all()
    torch.testing.assert_close(stretch(width, 1.0), theta, rtol=1e-12, atol=0)


@given(widths, scales)
def test_ntk_keeps_the_first_pair_and_slows_the_last_by_the_scale(width: int, scale: float):
    ratio = positions.frequencies(width) / positions.ntk_aware(width, scale)
    assert ratio[0] == 1
    assert ratio[-1].item() == pytest.approx(scale, rel=1e-12)
    steps = ratio.log().diff()
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=1e-6, atol=1e-9)


@given(seeds, widths, scales)
def test_lower_frequencies_are_the_same_as_squeezed_positions(seed: int, width: int, scale: float):
    places = torch.tensor(np.random.default_rng(seed).uniform(0, 4096, 5))
    squeezed = positions.cos_sin(places / scale, positions.frequencies(width))
    slowed = positions.cos_sin(places, positions.interpolated(width, scale))
    for table, expected in zip(squeezed, slowed, strict=True):
        torch.testing.assert_close(table, expected, rtol=0, atol=1e-6)


@given(seeds, widths)
def test_rotation_is_multiplication_by_a_complex_number(seed: int, width: int):
    vectors = torch.tensor(np.random.default_rng(seed).normal(size=(2, 3, 7, width)))
    places, theta = torch.arange(7), positions.frequencies(width)
    found = positions.rotate(vectors, *positions.cos_sin(places, theta))
    pairs = torch.view_as_complex(vectors.unflatten(-1, (-1, 2)))
    turned = pairs * torch.exp(1j * places[:, None] * theta)
    expected = torch.view_as_real(turned).flatten(-2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@given(seeds, widths, st.integers(0, 300), st.integers(0, 300), st.integers(0, 10_000))
def test_scores_depend_only_on_the_distance(seed: int, width: int, m: int, n: int, shift: int):
    random = np.random.default_rng(seed)
    q, k = torch.tensor(random.normal(size=(2, width)) / math.sqrt(width))
    theta = positions.frequencies(width)

    def score(at_query: int, at_key: int) -> float:
        tables = positions.cos_sin(torch.tensor([at_query, at_key]), theta)
        query, key = positions.rotate(torch.stack([q, k]), *tables)
        return float(query @ key)

    assert score(m, n) == pytest.approx(score(m + shift, n + shift), abs=1e-6)
    expected = 0.0  # the real part of the product, written out
    for j in range(width // 2):
        (q0, q1), (k0, k1) = q[2 * j : 2 * j + 2].tolist(), k[2 * j : 2 * j + 2].tolist()
        angle = (m - n) * theta[j].item()
        expected += (q0 * k0 + q1 * k1) * math.cos(angle) + (q0 * k1 - q1 * k0) * math.sin(angle)
    assert score(m, n) == pytest.approx(expected, abs=1e-6)


@given(seeds, widths, st.booleans())
def test_rotation_keeps_lengths_and_can_be_undone(seed: int, width: int, halves: bool):
    vectors = torch.tensor(np.random.default_rng(seed).normal(size=(9, width)))
    cos, sin = positions.cos_sin(torch.arange(9), positions.frequencies(width))
    turned = positions.rotate(vectors, cos, sin, halves=halves)
    torch.testing.assert_close(turned.norm(dim=-1), vectors.norm(dim=-1), rtol=1e-6, atol=0)
    back = positions.rotate(turned, cos, -sin, halves=halves)
    torch.testing.assert_close(back, vectors, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["default", "yarn"])
def test_halves_are_what_transformers_llama_does(kind: str):
    width, scale = 16, 4.0
    settings = {"factor": scale, "original_max_position_embeddings": TRAINED}
    config = LlamaConfig(
        hidden_size=2 * width,
        num_attention_heads=2,
        max_position_embeddings=TRAINED,
        rope_parameters={
            "rope_type": kind,
            "rope_theta": 10_000.0,
            **(settings if kind == "yarn" else {}),
        },
    )
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 2, 30, width, generator=generator) for _ in range(2))
    places = torch.arange(30)
    tables = LlamaRotaryEmbedding(config)(q, places[None])
    theta, factor = positions.frequencies(width), 1.0
    if kind == "yarn":
        theta = positions.yarn(width, scale, trained=TRAINED)
        factor = positions.attention_factor(scale)
    ours = positions.cos_sin(places, theta, factor=factor)
    for vectors, expected in zip((q, k), apply_rotary_pos_emb(q, k, *tables), strict=True):
        found = positions.rotate(vectors, *ours, halves=True)
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)  # their angles are fp32


def test_half_precision_stays_half():
    tables = positions.cos_sin(torch.arange(3), positions.frequencies(4))
    assert positions.rotate(torch.ones(3, 4, dtype=torch.bfloat16), *tables).dtype is torch.bfloat16


def test_yarn_sharpens_scores_by_the_inverse_temperature():
    factor = positions.attention_factor(32)
    plain = positions.cos_sin(torch.arange(2), positions.frequencies(8))
    sharp = positions.cos_sin(torch.arange(2), positions.frequencies(8), factor=factor)
    vectors = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    scores = [q @ k for q, k in (positions.rotate(vectors, *table) for table in (plain, sharp))]
    assert (scores[1] / scores[0]).item() == pytest.approx((0.1 * math.log(32) + 1) ** 2, rel=1e-5)
    assert positions.attention_factor(1) == positions.attention_factor(0.5) == 1


@given(st.integers(2, 40), st.integers(2, 80), seeds)
def test_a_resized_table_is_numpys_interpolation(rows: int, length: int, seed: int):
    table = np.random.default_rng(seed).normal(size=(rows, 3))
    found = positions.resize_table(torch.tensor(table), length)
    places = np.linspace(0, rows - 1, length)
    for column in range(3):
        expected = np.interp(places, np.arange(rows), table[:, column])
        np.testing.assert_allclose(found[:, column], expected, atol=1e-12)
    assert torch.equal(found[[0, -1]], torch.tensor(table)[[0, -1]])


@given(st.integers(2, 600), st.integers(2, 2000))
def test_a_straight_table_stays_straight(rows: int, length: int):
    found = positions.resize_table(torch.linspace(-1, 1, rows)[:, None], length)
    torch.testing.assert_close(found[:, 0], torch.linspace(-1, 1, length), rtol=0, atol=1e-6)


def test_the_same_length_changes_nothing_and_the_double_keeps_every_row():
    table = torch.randn(512, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(positions.resize_table(table, 512), table)
    assert torch.equal(positions.resize_table(table, 1023)[::2], table)


@pytest.mark.parametrize(("shape", "offset"), [("bert", 0), ("roberta", 2), ("distilbert", 0)])
def test_a_model_with_a_resized_table_reads_longer_texts(tiny_checkpoints, tmp_path, shape, offset):
    model, _ = models.load(tiny_checkpoints[shape], device="cpu")
    model.eval()
    table = model.embeddings.position_embeddings
    before = table.weight.detach().clone()
    tokens = len(before) - offset
    ids = torch.arange(10, 10 + 2 * tokens - 1)[None]
    with pytest.raises((IndexError, RuntimeError)):
        model(ids)
    positions.resize_learned(model, 2 * tokens - 1)
    assert torch.equal(table.weight[:offset], before[:offset])
    assert torch.equal(table.weight[offset::2], before[offset:])
    assert table.weight.requires_grad
    with torch.no_grad():
        hidden = model(ids).last_hidden_state
    assert hidden.shape[1] == 2 * tokens - 1
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        again = AutoModel.from_pretrained(tmp_path).eval()(ids).last_hidden_state
    assert_alike(again, hidden)


def test_a_table_of_the_same_length_gives_the_same_logits(model, tiny_bert):
    before = logits(model, WHOLE)
    positions.resize_learned(model, POSITIONS)
    assert torch.equal(logits(model, WHOLE), before)


@pytest.mark.parametrize("shape", ["gpt2", "modernbert"])
def test_a_model_without_such_a_table_is_refused(model):
    with pytest.raises(ValueError, match="no learned position table"):
        positions.resize_learned(model, 256)


def test_impossible_widths_scales_and_turns_are_refused():
    for width in (0, 3):
        with pytest.raises(ValueError, match=f"width {width} has no whole pairs"):
            positions.frequencies(width)
    for scale in (0, -1, math.nan):
        for stretch in (positions.interpolated, positions.ntk_aware):
            with pytest.raises(ValueError, match="scale is"):
                stretch(8, scale)
    for stretch in (positions.by_parts, positions.yarn):
        with pytest.raises(ValueError, match="slow is 4 and fast 1 turns"):
            stretch(8, 2.0, trained=TRAINED, slow=4, fast=1)
    with pytest.raises(ValueError, match="two pairs"):
        positions.ntk_aware(2, 2.0)
    with pytest.raises(ValueError, match="two ends"):
        positions.resize_table(torch.zeros(5, 2), 1)
