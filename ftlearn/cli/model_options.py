"""The options of ``ftlearn fit`` on the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ftlearn.cli.options import MODEL, option


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model to start from."""

    checkpoint: Annotated[
        str | None,
        option(
            "The pretrained model: a name (minilm and smollm2 need no network), a Hub id or a "
            "folder. A classifier for other labels gets a new head. Without it minilm, or smollm2 "
            "where the model writes.",
            MODEL,
            "NAME|FOLDER",
        ),
    ] = None
    lora: Annotated[
        int | None,
        option(
            "Train LoRA adapters of this rank, such as 8, in place of the weights: less memory, "
            "less forgotten. Writes adapter/ beside the merged model/.",
            MODEL,
            "RANK",
        ),
    ] = None
    adapter: Annotated[
        str | None,
        option(
            "Another adapter: rslora, dora or pissa, of the rank that --lora gives (without it "
            "8); ia3; layernorm; prefix or prompt, whose tokens cannot be merged: only adapter/ "
            "is written.",
            MODEL,
            "METHOD",
        ),
    ] = None
    lora_layers: Annotated[
        int | None, option("Adapters in this many top layers only: faster.", MODEL, "LAYERS")
    ] = None
    virtual_tokens: Annotated[
        int | None,
        option("For prefix and prompt: the number of learned tokens. Without it 16.", MODEL),
    ] = None
    system: Annotated[
        str | None,
        option("For chats without one: the system prompt, in training and later.", MODEL, "TEXT"),
    ] = None
    template: Annotated[
        Path | None,
        option("A Jinja chat template in place of the model's own.", MODEL, "FILE"),
    ] = None
    pooling: Annotated[
        str,
        option(
            "How the vectors of a text become one: pretrained (as in transformers' own class, the "
            "only way that transformers.pipeline opens), mean (MiniLM's own) or cls (the first "
            "token's).",
            MODEL,
        ),
    ] = "pretrained"
    max_length: Annotated[
        int | None,
        option(
            "Tokens (about 3/4 of a word) read of each text, at most as many as the model has "
            "positions; the rest is cut. Without it 128, for chats 512, for questions 384, for "
            "completions 256.",
            MODEL,
        ),
    ] = None
    activation_checkpointing: Annotated[
        bool,
        option(
            "Compute each layer a second time in the backward pass in place of keeping what it "
            "computed: less memory, the same result, up to a third slower.",
            MODEL,
            flag="--activation-checkpointing",
        ),
    ] = False
    shard: Annotated[
        bool,
        option(
            "For a model that does not fit one device: under torchrun, spread its weights over "
            "all of them (FSDP2).",
            MODEL,
            flag="--shard",
        ),
    ] = False
