"""How a conversation becomes one text and its tokens, in training and in generation alike.

``token_ids`` is what a model reads: the template's own control tokens act, and those that somebody
typed into a message are plain text. ``render`` shows the same text to a person; tokenise that
again, and what was typed would act.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from ftlearn.errors import ArgumentError
from ftlearn.tasks import control_tokens
from ftlearn.tasks.control_tokens import Tokens

Messages = Sequence[Mapping[str, Any]]
MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")
PROBE = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})


class Answer(NamedTuple):
    """Where an answer lies among the tokens of its conversation.

    Its first token is ``start``; ``end`` is its end token, which belongs to it.
    """

    start: int
    end: int


class _Beginning(NamedTuple):
    """Where an answer begins in the marked text, and what tells where it ends.

    stop : the end of the span that the template marks, or None
    alone : the conversation up to and including this answer, or None where that is all
    """

    start: int
    stop: int | None = None
    alone: str | None = None


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template together with the tokenizer whose control tokens it writes."""

    tokenizer: Any
    source: str

    @cached_property
    def _control(self) -> re.Pattern[str]:
        return control_tokens.pattern(self.tokenizer, self.source)

    @cached_property
    def _special(self) -> re.Pattern[str]:
        return control_tokens.pattern(self.tokenizer)

    @cached_property
    def _special_ids(self) -> frozenset[int]:
        return control_tokens.special_ids(self.tokenizer)

    def text(self, messages: Messages, *, add_generation_prompt: bool = False) -> str:
        """The conversation as one text; with the generation prompt the assistant speaks next."""
        marked, _ = self._render(self._marked(messages), prompt=add_generation_prompt)
        return control_tokens.unmarked(marked)

    def tokens(self, messages: Messages, *, add_generation_prompt: bool = False) -> Tokens:
        """The tokens of the conversation."""
        marked, _ = self._render(self._marked(messages), prompt=add_generation_prompt)
        return control_tokens.tokenise(self.tokenizer, [marked], self._control)[0]

    def answers(
        self, conversations: Sequence[Messages], *, only_last: bool = False
    ) -> Iterator[tuple[Tokens, list[Answer]]]:
        """The tokens of each conversation, and where its answers lie (or the last one only).

        An answer begins where the generation prompt ends, or where the template's mark
        ``{% generation %}`` stands, and ends with the first control token after that. Each
        conversation is tokenised as one text; a token that holds any character of an answer, such
        as a line break shared with the header, belongs to it. Raises ValueError, which names the
        row and the remedy.
        """
        texts = []
        beginnings = []
        for row, messages in enumerate(conversations):
            with _row_named(row):
                marked, found = self._beginnings(self._marked(messages), only_last=only_last)
            texts.append(marked)
            beginnings.append(found)
        tokenised = control_tokens.tokenise(self.tokenizer, texts, self._control)
        for row, (text, tokens) in enumerate(zip(texts, tokenised, strict=True)):
            with _row_named(row):
                found = [self._answer(text, tokens, beginning) for beginning in beginnings[row]]
            yield tokens, found

    def _marked(self, messages: Messages) -> list[dict[str, Any]]:
        """The messages with what was typed into them marked.

        The assistant writes added tokens of its own, such as ``<think>``; special ones it does not.
        """
        return [
            {
                "role": message["role"],
                "content": control_tokens.marked(
                    message["content"],
                    self._special if message["role"] == "assistant" else self._control,
                ),
            }
            for message in messages
        ]

    def _render(
        self, messages: Messages, *, prompt: bool = False, spans: bool = False
    ) -> tuple[str, list[tuple[int, int]]]:
        """The text, and the spans that the template marks as generated; raises ValueError."""
        try:
            texts, marks = render_jinja_template(
                conversations=[list(messages)],
                chat_template=self.source,
                add_generation_prompt=prompt,
                return_assistant_tokens_mask=spans,
                **self.tokenizer.special_tokens_map,
            )
        except TemplateError as error:
            raise ArgumentError(
                f"the chat template refuses these messages ({error}): change or drop the row, or "
                "give another one as `template`"
            ) from error
        return texts[0], marks[0] if spans else []

    def _beginnings(self, messages: Messages, *, only_last: bool) -> tuple[str, list[_Beginning]]:
        """The marked text, and where each answer of it begins."""
        if MARKS.search(self.source):
            text, spans = self._render(messages, spans=True)
            if not spans:
                raise ArgumentError("the chat template marks no answer of this conversation")
            found = [_Beginning(start, stop) for start, stop in spans]
            return text, found[-1:] if only_last else found
        text, _ = self._render(messages)
        numbers = [
            number for number, message in enumerate(messages) if message["role"] == "assistant"
        ]
        numbers = numbers[-1:] if only_last else numbers
        return text, [self._after_prompt(text, messages, number) for number in numbers]

    def _after_prompt(self, text: str, messages: Messages, number: int) -> _Beginning:
        """Where a message of the assistant begins: after the prompt that generation would give."""
        header, _ = self._render(messages[:number], prompt=True)
        if not text.startswith(header):
            raise ArgumentError(_rewritten(number))
        is_last = number + 1 == len(messages)
        alone = None if is_last else self._render(messages[: number + 1])[0]
        return _Beginning(len(header), alone=alone and control_tokens.unmarked(alone))

    def _answer(self, text: str, tokens: Tokens, beginning: _Beginning) -> Answer:
        """The place of an answer among the tokens of the text; raises ValueError."""
        begin = len(control_tokens.unmarked(text[: beginning.start]))
        start = next((index for index, end in enumerate(tokens.ends) if end > begin), None)
        special = [
            index
            for index in range(start or 0, len(tokens.ids))
            if tokens.ids[index] in self._special_ids
        ]
        if start is None or not special:
            raise ArgumentError(
                "the chat template writes no end token after an answer, so a model would never "
                "stop: give a `template` that writes one, such as {{ eos_token }}"
            )
        if special[0] == start:
            header = self.tokenizer.convert_ids_to_tokens(tokens.ids[start])
            raise ArgumentError(
                f"the chat template would have a model learn the header of an answer ({header!r}): "
                "give a `template` that writes it in the generation prompt as well, and has "
                "no mark {% generation %} before it or within a macro"
            )
        end = special[0]
        if beginning.stop is not None:
            stop = len(control_tokens.unmarked(text[: beginning.stop]))
            inside = [index for index in special if tokens.ends[index] <= stop]
            end = inside[-1] if inside else end
        if beginning.alone and not beginning.alone.startswith(tokens.text[: tokens.ends[end]]):
            raise ArgumentError(_rewritten(None))
        return Answer(start, end)


@contextmanager
def _row_named(row: int) -> Iterator[None]:
    """A context in which errors name the row that they are about."""
    try:
        yield
    except ArgumentError as error:
        raise ArgumentError(f"row {row}: {error}") from error


def _rewritten(number: int | None) -> str:
    which = "an answer" if number is None else f"message {number + 1}"
    return (
        f"the chat template writes {which} differently once the conversation goes on, so a model "
        'would learn what it never generates: use count="last answer", with one row for each '
        "answer, or a `template` that leaves earlier turns as they were"
    )


def template_of(tokenizer: Any, template: str | None = None, system: str | None = None) -> str:
    """The source of the template: the one given, else the tokenizer's, with the system prompt.

    Raises ValueError where there is none.
    """
    source = template or getattr(tokenizer, "chat_template", None)
    if isinstance(source, dict):
        source = source.get("default")
    if not source:
        raise ArgumentError(
            "this tokenizer has no chat template: take a model that was trained to chat, or give "
            "one as `template`"
        )
    return source if system is None else with_system(source, system)


def with_system(template: str, system: str) -> str:
    """A template that begins with this system prompt where the messages have none of their own.

    >>> template = with_system("{{ messages[0].content }}", "Be brief.")
    >>> template[-62:]
    'Be brief."}] + messages %}{% endif %}{{ messages[0].content }}'
    >>> with_system(template, "Be brief.") == template
    True
    """
    content = json.dumps(system, ensure_ascii=False)
    beginning = (
        "{% if messages[0]['role'] != 'system' %}"
        f"{{% set messages = [{{'role': 'system', 'content': {content}}}] + messages %}}"
        "{% endif %}"
    )
    return template if template.startswith(beginning) else beginning + template


def render(
    tokenizer: Any,
    messages: Messages,
    *,
    template: str | None = None,
    add_generation_prompt: bool = False,
) -> str:
    """The conversation as one text, to be read; ``token_ids`` is what a model reads."""
    chat = ChatTemplate(tokenizer, template_of(tokenizer, template))
    return chat.text(messages, add_generation_prompt=add_generation_prompt)


def token_ids(
    tokenizer: Any,
    messages: Messages,
    *,
    template: str | None = None,
    add_generation_prompt: bool = False,
) -> list[int]:
    """The ids of a conversation; control tokens that were typed into a message are plain text."""
    chat = ChatTemplate(tokenizer, template_of(tokenizer, template))
    return chat.tokens(messages, add_generation_prompt=add_generation_prompt).ids


def end_token(tokenizer: Any, template: str | None = None) -> str:
    """The token with which the template ends an answer, and at which generation stops."""
    chat = ChatTemplate(tokenizer, template_of(tokenizer, template))
    tokens, answers = next(chat.answers([PROBE], only_last=True))
    return tokenizer.convert_ids_to_tokens(tokens.ids[answers[0].end])
