"""A saved model that writes, as the service uses it: which dialogues it takes, what it answers."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ftlearn import models
from ftlearn.data.chats import fault
from ftlearn.errors import ArgumentError, ArgumentTypeError
from ftlearn.generation import Decoding
from ftlearn.generation.decoding import end_tokens
from ftlearn.generation.inference import Writer
from ftlearn.generation.prompts import Prompt, check_room, encode_one
from ftlearn.generation.streaming import answer_tokens, pieces
from ftlearn.serving.predictor import FieldError, served_name
from ftlearn.serving.stop_texts import StopTexts
from ftlearn.tasks import Chat, LanguageModelling


class Piece(NamedTuple):
    """A piece of the text of an answer."""

    text: str


class Finished(NamedTuple):
    """The end of an answer: "stop" where the model or a stop text ended it, otherwise "length"."""

    reason: str
    tokens: int


class Order(NamedTuple):
    """What is to be written: the ids of the prompt, how, and where to end."""

    prompt: list[int]
    decoding: Decoding
    seed: int
    stops: tuple[str, ...] = ()


class ChatModel:
    """A model, tokenizer and task of a folder, adapters merged.

    Its runs learned to chat, or to continue a text. Raises ModelError where the folder is no saved
    model, and ValueError where its model does not write.
    """

    def __init__(self, folder: str | Path, device: torch.device | str | None = None) -> None:
        self.folder = Path(folder)
        model, self.tokenizer, self.task = models.load_finetuned(folder, device)
        if not isinstance(self.task, LanguageModelling):
            raise ArgumentError(
                f"{folder} holds a model that predicts ({type(self.task).__name__}): open it with "
                "Predictor"
            )
        self.name = served_name(self.folder, model)
        self._ends = end_tokens(model, self.tokenizer)
        self._writer = Writer.of(model)
        # The worker decodes while the next prompts are encoded, and tokenizers are not thread-safe.
        self._encoder = copy.deepcopy(self.tokenizer)
        self._encoding = threading.Lock()

    @property
    def model(self) -> torch.nn.Module:
        """The model that writes."""
        return self._writer.model

    def prompt(self, messages: Any) -> list[int]:
        """The token ids of a dialogue, as in training; raises FieldError.

        A model that learned to continue texts takes one message, whose content is the text.
        """
        reason = fault(messages, answered=False)
        if reason:
            raise FieldError("messages", reason)
        prompt: Prompt = messages
        if not isinstance(self.task, Chat):
            if len(messages) > 1 or messages[0]["role"] != "user":
                raise FieldError(
                    "messages", "this model continues one text: send it as one message of the user"
                )
            prompt = messages[0]["content"]
        try:
            with self._encoding:
                return encode_one(self.model, self._encoder, prompt, 1)
        except (ArgumentError, ArgumentTypeError) as error:
            raise FieldError("messages", str(error)) from error

    def limited(self, decoding: Decoding, prompt: Sequence[int], wanted: int | None) -> Decoding:
        """The decoding with the tokens that a request wants, or as many as there is room for."""
        if wanted is not None:
            try:
                check_room(self.model, len(prompt), wanted)
            except ArgumentError as error:
                raise FieldError("max_tokens", f"too many for the prompt: {error}") from error
            return replace(decoding, max_new_tokens=wanted)
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        room = positions - len(prompt) if positions else decoding.max_new_tokens
        return replace(decoding, max_new_tokens=min(decoding.max_new_tokens, room))

    def write(self, order: Order, is_stopped: Callable[[], bool]) -> Generator[Piece | Finished]:
        """Yield the pieces of an answer, and its end unless ``is_stopped`` said so before.

        Joined, the pieces are what ``generation.generate`` writes. Only one thread may write.
        """
        ids: list[int] = []
        stops = StopTexts(order.stops)
        with closing(self._tokens(order, ids, is_stopped)) as tokens:
            for piece in pieces(self.tokenizer, tokens):
                if text := stops.add(piece):
                    yield Piece(text)
                if stops.found:
                    break
        if is_stopped():
            return
        if rest := stops.rest():
            yield Piece(rest)
        ended = stops.found or ids[-1] in self._ends
        yield Finished("stop" if ended else "length", len(ids))

    def _tokens(
        self, order: Order, ids: list[int], is_stopped: Callable[[], bool]
    ) -> Generator[int]:
        """Yield the tokens of an answer, and collect them in ``ids``."""
        prompts = [order.prompt]
        for token in answer_tokens(self._writer, prompts, order.decoding, self._ends, order.seed):
            ids.append(token)
            yield token
            if is_stopped():
                return
