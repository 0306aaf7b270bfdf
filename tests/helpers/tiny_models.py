"""Small checkpoints of five architectures with random weights, and what tests do with them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, WordLevel
from torch import nn
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from ftlearn.tasks import classification

SHAPES = ("bert", "distilbert", "roberta", "modernbert", "gpt2")
WORDS, LAYERS, WIDTH, HEADS, POSITIONS = 1000, 3, 16, 2, 128
SPREAD = 0.2  # of the random weights: large enough that a wrong input shows in the output
CLASSES = classification(
    Dataset.from_dict({"text": ["a", "b", "c"], "label": ["cold", "mild", "warm"]})
)
IDS = torch.tensor([[2, 17, 300, 45, 9, 3]])
WHOLE = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}  # one text, no padding


def logits(model: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """What a model answers, in evaluation mode and without a graph."""
    with torch.no_grad():
        return model.eval()(**inputs).logits


def padded(tokenizer: Any, text: str, extra: int) -> dict[str, torch.Tensor]:
    """The inputs of one text with some tokens of padding after it."""
    inputs = dict(tokenizer(text))
    inputs["input_ids"] += [tokenizer.pad_token_id] * extra
    inputs["attention_mask"] += [0] * extra
    if "token_type_ids" in inputs:
        inputs["token_type_ids"] += [0] * extra
    return {name: torch.tensor([ids]) for name, ids in inputs.items()}


def moving(model: nn.Module) -> set[str]:
    """Names of the parameters that training would change."""
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def copied(folder: Path, to: Path, without: str = "") -> Path:
    """A copy of a checkpoint, without the files of a pattern."""
    return shutil.copytree(folder, to, ignore=shutil.ignore_patterns(without))


def save_all(root: Path, texts: list[str]) -> dict[str, Path]:
    """One folder for each of ``SHAPES``, with a tokenizer trained on the texts."""
    words = word_tokenizer(texts)
    bert_like = PreTrainedTokenizerFast(
        tokenizer_object=words,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")},
    )
    plain = PreTrainedTokenizerFast(
        tokenizer_object=words,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")},
    )
    pieces = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(texts, ["<s>", "<pad>", "</s>"]),
        model_input_names=["input_ids", "attention_mask"],
        cls_token="<s>",
        pad_token="<pad>",
        sep_token="</s>",
    )
    unpadded = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(texts, ["<|endoftext|>"]), eos_token="<|endoftext|>"
    )
    parts = {
        "bert": (bert_config(BertConfig), bert_like),
        "distilbert": (distilbert_config(), plain),
        "roberta": (bert_config(RobertaConfig), pieces),
        "modernbert": (modernbert_config(), plain),
        "gpt2": (gpt2_config(), unpadded),
    }
    return {name: saved(root / name, *part) for name, part in parts.items()}


def saved(folder: Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerFast) -> Path:
    """Writes a model without a head, its weights drawn at random, and its tokenizer."""
    config.pad_token_id = tokenizer.pad_token_id
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def word_tokenizer(texts: list[str]) -> Tokenizer:
    """One token a lower-case word, between [CLS] and [SEP]."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordLevelTrainer(
        vocab_size=WORDS, special_tokens=specials, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def byte_tokenizer(texts: list[str], specials: list[str]) -> Tokenizer:
    """Byte pairs as in GPT-2; between <s> and </s> as in RoBERTa, where it has such tokens."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if "</s>" in specials:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def bert_config(kind: type[PreTrainedConfig], **more: int) -> PreTrainedConfig:
    """BERT, RoBERTa and ModernBERT name their sizes alike."""
    return kind(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=POSITIONS,
        initializer_range=SPREAD,
        **more,
    )


def distilbert_config() -> PreTrainedConfig:
    """DistilBERT has names of its own."""
    return DistilBertConfig(
        vocab_size=WORDS,
        dim=WIDTH,
        n_layers=LAYERS,
        n_heads=HEADS,
        hidden_dim=2 * WIDTH,
        max_position_embeddings=POSITIONS,
        initializer_range=SPREAD,
    )


def modernbert_config() -> PreTrainedConfig:
    """A window of 8 tokens in two layers of three, all tokens in the other."""
    return bert_config(
        ModernBertConfig,
        local_attention=8,
        cls_token_id=2,
        bos_token_id=2,
        sep_token_id=3,
        eos_token_id=3,
    )


def gpt2_config() -> PreTrainedConfig:
    """GPT-2 reads from left to right and has no token for padding."""
    return GPT2Config(
        vocab_size=WORDS,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=POSITIONS,
        initializer_range=SPREAD,
        bos_token_id=0,
        eos_token_id=0,
    )
