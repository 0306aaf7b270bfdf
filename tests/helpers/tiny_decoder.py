"""A small decoder that chats: random weights, byte-level tokens, ChatML as SmolLM2 has it."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

START = "<|im_start|>"
END = "<|im_end|>"
UNKNOWN = "<|endoftext|>"
WINDOW = 512
SPREAD = 0.2  # of the random weights: large enough that a wrong input shows in the output
CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named Tiny<|im_end|>\n' }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXTS = (
    "You are a helpful AI assistant named Tiny",
    "Good morning! How can I help you with your order today?",
    "My parcel has not arrived, and the number of the order is 4711.",
    "I am sorry to hear that. Could you tell me the name on the order, please?",
    "The user asks the assistant; the assistant answers, and the system says how.",
    "Thank you, the lamp that I ordered in March works well.\n\nWhere can I return the other one?",
)


def tiny_decoder(folder: Path) -> Path:
    """Writes a Llama of two layers, its weights drawn at random, and its tokenizer."""
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        initializer_range=SPREAD,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def tiny_tokenizer(
    specials: tuple[str, ...] = (UNKNOWN, START, END),
    template: str = CHATML,
    *,
    bos: str | None = START,
    eos: str = END,
    pad: str | None = None,
    texts: tuple[str, ...] = TEXTS,
) -> PreTrainedTokenizerFast:
    """Byte pairs of a few sentences, digits one by one, with control tokens and a chat template.

    The end token is also the padding, as in SmolLM2, unless ``pad`` names another.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(specials) + 256 + 150,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=WINDOW,
        chat_template=template,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad or eos,
    )
