"""Models whose layers are not BERT's: what loads is trained and answers, and the rest says why."""

from __future__ import annotations

from pathlib import Path

import killed_runs
import pytest
import torch
from tiny_models import (
    CLASSES,
    HEADS,
    LAYERS,
    POSITIONS,
    SPREAD,
    WIDTH,
    WORDS,
    byte_tokenizer,
    logits,
    padded,
    saved,
    word_tokenizer,
)
from torch import nn
from transformers import (
    AutoModel,
    BartConfig,
    DebertaV2Config,
    FlaubertConfig,
    LlamaConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    T5Config,
    XLNetConfig,
)

from ftlearn import evaluation, models, tasks
from ftlearn.models import ModelError, architecture
from ftlearn.training import TrainConfig, fit

# Tiny tokenizers stand in for those of the families.
pytestmark = pytest.mark.filterwarnings("ignore::ftlearn.compatibility.CompatibilityWarning")

SIZES = {
    "vocab_size": WORDS,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * WIDTH,
    "max_position_embeddings": POSITIONS,
    "initializer_range": SPREAD,
}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16}
FLAUBERT = {"emb_dim": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "init_std": SPREAD}
XLNET = {"d_model": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "d_inner": 2 * WIDTH}
CONFIGS = {
    "deberta-v2": DebertaV2Config(**SIZES, **DEBERTA),
    "mpnet": MPNetConfig(**SIZES),
    "flaubert": FlaubertConfig(vocab_size=WORDS, embed_init_std=SPREAD, **FLAUBERT),
    "xlnet": XLNetConfig(vocab_size=WORDS, initializer_range=SPREAD, **XLNET),
}
OTHERS = {
    "t5": T5Config(vocab_size=WORDS, d_model=WIDTH, num_layers=1, num_heads=HEADS),
    "bart": BartConfig(vocab_size=WORDS, d_model=WIDTH, encoder_layers=1, decoder_layers=1),
}
ONE_UPDATE = TrainConfig(epochs=1, batch_size=16)


def words(**special: str) -> PreTrainedTokenizerFast:
    """A tokenizer of the words of ``lives``, padding with its token 0."""
    return PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(killed_runs.TEXTS),
        model_input_names=["input_ids", "attention_mask"],
        pad_token="[PAD]",
        **special,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small random model of each family."""
    root = tmp_path_factory.mktemp("families")
    return {
        name: saved(root / name, config, words()) for name, config in (CONFIGS | OTHERS).items()
    }


@pytest.mark.parametrize("numbers", ["fp32", "bf16"])
@pytest.mark.parametrize("family", CONFIGS)
def test_a_family_without_torchs_attention_is_trained_and_answers(
    folders, monkeypatch: pytest.MonkeyPatch, family: str, numbers: str
):
    monkeypatch.setenv("FTLEARN_COMPUTE", numbers)
    pooling = "mean" if family == "xlnet" else "pretrained"
    model, tokenizer = models.load(
        folders[family], killed_runs.LABELS, pooling=pooling, device="cpu"
    )
    before = {name: value.clone() for name, value in model.named_parameters()}
    history = fit(model, killed_runs.PARTS["train"], killed_runs.LABELS, tokenizer, ONE_UPDATE)
    assert len(history.steps) == 1
    moved = {n for n, value in model.named_parameters() if not torch.equal(value, before[n])}
    assert any(map(architecture.is_head, moved))
    assert not all(map(architecture.is_head, moved))
    answers = evaluation.predict(model, killed_runs.TEXTS, killed_runs.LABELS, tokenizer)
    assert set(answers["prediction"]) <= {"0", "1", "2"}


@pytest.mark.parametrize("family", ["deberta-v2", "mpnet", "flaubert"])
def test_answers_of_a_family_do_not_depend_on_padding(folders, family: str):
    model, tokenizer = models.load(folders[family], CLASSES, device="cpu")
    alone, with_pads = (logits(model, padded(tokenizer, "ball code", extra)) for extra in (0, 9))
    torch.testing.assert_close(with_pads, alone, rtol=0, atol=1e-5)


def test_a_head_that_would_read_padding_is_refused_and_the_mean_is_offered(folders):
    with pytest.raises(ModelError, match=r"head of xlnet reads 'last' .*pooling='mean'"):
        models.load(folders["xlnet"], CLASSES, device="cpu")
    model, tokenizer = models.load(folders["xlnet"], CLASSES, pooling="mean", device="cpu")
    alone, with_pads = (logits(model, padded(tokenizer, "ball code", extra)) for extra in (0, 9))
    torch.testing.assert_close(with_pads, alone, rtol=0, atol=1e-5)


def test_a_regression_of_a_summary_is_saved_in_the_datas_units(folders, tmp_path):
    task = tasks.Regression(center=300.0, scale=200.0)
    model, tokenizer = models.load(folders["flaubert"], task, device="cpu")
    ours = evaluation.predict(model, killed_runs.TEXTS, task, tokenizer)["prediction"]
    models.save(model, tokenizer, task, tmp_path / "model")
    again, _, units = models.load_finetuned(tmp_path / "model", "cpu")
    assert (units.center, units.scale) == (0.0, 1.0)
    answers = evaluation.predict(again, killed_runs.TEXTS, units, tokenizer)["prediction"]
    assert list(answers) == pytest.approx(list(ours), rel=1e-5)


@pytest.mark.parametrize("family", OTHERS)
def test_an_encoder_with_a_decoder_is_refused_by_its_name(folders, family: str):
    with pytest.raises(ModelError, match=rf"^{family} is an encoder with a decoder.*'minilm'"):
        models.load(folders[family], CLASSES, device="cpu")


# Padding tokens


def llama(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A small Llama whose configuration pads with token 0, whatever the tokenizer does."""
    config = LlamaConfig(**SIZES, pad_token_id=0)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def alone_and_beside(model: nn.Module, tokenizer, text: str, other: str) -> list[torch.Tensor]:
    """The logits of a text in a batch of its own, and beside a longer one."""
    return [
        logits(model, tokenizer(texts, padding=True, padding_side="right", return_tensors="pt"))[0]
        for texts in ([text], [text, other])
    ]


def test_the_last_word_is_found_where_configuration_and_tokenizer_pad_differently(tmp_path):
    folder = llama(tmp_path / "llama", words())
    _, tokenizer = models.load(folder, CLASSES, device="cpu")
    tokenizer.pad_token = "[UNK]"
    tokenizer.save_pretrained(folder)
    model, tokenizer = models.load(folder, CLASSES, device="cpu")
    assert model.config.pad_token_id == tokenizer.pad_token_id == 1
    alone, beside = alone_and_beside(model, tokenizer, "ball code", "ball code heart run chip")
    torch.testing.assert_close(alone, beside, rtol=0, atol=1e-5)


def test_positions_that_are_counted_from_a_padding_token_keep_it(tiny_checkpoints, tmp_path):
    """RoBERTa's are, in the model as it was built: saved with another, they would be others."""
    model, tokenizer = models.load(tiny_checkpoints["roberta"], CLASSES, device="cpu")
    tokenizer.pad_token = "</s>"
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, tokenizer = models.load(tmp_path, CLASSES, device="cpu")
    assert tokenizer.pad_token == "</s>"
    assert again.config.pad_token_id == model.config.pad_token_id == 1
    alone, beside = alone_and_beside(again, tokenizer, "A short text", "A text that is longer")
    torch.testing.assert_close(alone, beside, rtol=0, atol=1e-5)


def test_a_tokenizer_that_cannot_pad_is_refused(tmp_path):
    bare = PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer(killed_runs.TEXTS, []))
    with pytest.raises(ModelError, match=r"no token for padding .* set its pad_token to one"):
        models.load(llama(tmp_path / "llama", bare), CLASSES, device="cpu")
