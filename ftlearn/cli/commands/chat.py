"""``ftlearn chat``: a dialogue with a language model in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from ftlearn.cli.commands.generate import DecodingOptions, WriterOptions
from ftlearn.cli.options import DATA, DeviceOptions, grouped, option
from ftlearn.cli.output import say, write
from ftlearn.errors import ArgumentError

NEW = "/new"
HINT = f"{NEW} starts again, Ctrl-C stops an answer, Ctrl-D ends"
MARK = "> "

Answer = Callable[[list[dict[str, str]], int], Iterator[str]]
"""From messages and the number of the answer to its pieces."""


@dataclass(frozen=True, kw_only=True)
class DialogueOptions:
    """How the dialogue begins."""

    system: Annotated[
        str | None, option("A system prompt, in place of the model's own.", DATA, "TEXT")
    ] = None


@grouped
def chat(
    writer: WriterOptions,
    dialogue: DialogueOptions,
    decoding: DecodingOptions,
    device: DeviceOptions,
) -> None:
    """Talk with a language model in the terminal; it remembers what was said.

    `/new` starts again, Ctrl-C stops an answer, Ctrl-D ends.

    Example: `ftlearn chat smollm2 --sample --temperature 0.7`
    """
    from ftlearn.generation import stream
    from ftlearn.generation.inference import Writer
    from ftlearn.workflows import generating

    settings = decoding.decoding()
    model, tokenizer, _ = generating.open_model(writer.model, device.device)
    if tokenizer.chat_template is None:
        raise ArgumentError(
            f"the model in {writer.model!r} has no chat template: let it continue plain texts with "
            "ftlearn generate, or name a model that was trained to chat"
        )
    model = Writer.of(model).model  # so that it is not converted again for each answer

    def answer(messages: list[dict[str, str]], number: int) -> Iterator[str]:
        seed = decoding.seed + number
        return stream(model, tokenizer, messages, decoding=settings, seed=seed)

    say(HINT, err=True)
    Dialogue(answer, dialogue.system).run()


@dataclass
class Dialogue:
    """What was said so far, and the loop that goes on with it."""

    answer: Answer
    system: str | None = None
    messages: list[dict[str, str]] = field(default_factory=list)
    answers: int = 0

    def run(self) -> None:
        """Read lines and answer them until the input ends."""
        self.restart()
        while True:
            try:
                line = _read_line()
            except KeyboardInterrupt:
                say(f"\n{HINT}", err=True)
                continue
            if line is None:
                return
            if line == NEW:
                self.restart()
                say("a new dialogue", err=True)
            elif line:
                self.reply(line)

    def restart(self) -> None:
        """Forget all but the system prompt."""
        system = {"role": "system", "content": self.system or ""}
        self.messages = [system] if self.system else []

    def reply(self, line: str) -> None:
        """Print the answer to a line as it is made; Ctrl-C keeps what there is of it."""
        self.messages.append({"role": "user", "content": line})
        pieces: list[str] = []
        try:
            for piece in self.answer(self.messages, self.answers):
                write(piece)
                pieces.append(piece)
        except KeyboardInterrupt:
            write(" [stopped]")
        except ArgumentError as error:
            say(f"error: {error}; {NEW} starts again", err=True)
        say("")
        self.answers += 1
        text = "".join(pieces)
        if text.strip():
            self.messages.append({"role": "assistant", "content": text})
        else:  # a dialogue takes turns, and an empty one cannot be rendered
            self.messages.pop()


def _read_line() -> str | None:
    """The next line without spaces around it; None at the end of the input."""
    try:
        line = input(MARK if sys.stdin.isatty() else "")
    except EOFError:
        return None
    return line.encode("utf-8", "replace").decode("utf-8").strip()
