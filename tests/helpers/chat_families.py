"""Chat templates in the shapes of five model families, and by hand what each should write.

``Family.written`` is the independent truth: parts of the text, each with whether it counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tiny_decoder import CHATML, END, START, UNKNOWN, tiny_tokenizer

Parts = list[tuple[str, bool]]
PLAIN = CHATML[CHATML.index("{{ '<|im_start|>' + message['role']") :]
PLAIN_CHATML = "{% for message in messages %}" + PLAIN
MARKED = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED_WITHOUT_END = MARKED.replace(
    "{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}",
    "{{ message.content }}{% endgeneration %}{{ '<|im_end|>\n' }}",
)
LLAMA3 = (
    "{% for message in messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
QWEN25 = (
    "{% if messages[0]['role'] == 'system' %}"
    "{{ '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>system\nYou are Tiny.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}"
    "{% if message.role == 'user' or message.role == 'assistant' %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% elif message.role == 'tool' %}"
    "{{ '<|im_start|>user\n<tool_response>\n' + message.content"
    " + '\n</tool_response><|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN3 = (
    "{% set ns = namespace(last=0) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
    "{% endfor %}"
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% set content = m.content %}{% set thought = '' %}"
    "{% if '</think>' in content %}"
    "{% set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1] %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<|im_start|>assistant\n' }}"
    "{% if loop.index0 > ns.last %}"
    "{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}"
    "{% else %}{{ content.lstrip('\n') }}{% endif %}{{ '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + '[/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
PHI3 = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def chatml(role: str, content: str) -> Parts:
    head = (f"{START}{role}\n", False)
    return [head, (content + END, role == "assistant"), ("\n", False)]


def qwen25(role: str, content: str) -> Parts:
    if role != "tool":
        return chatml(role, content)
    return chatml("user", f"<tool_response>\n{content}\n</tool_response>")


def qwen3(role: str, content: str) -> Parts:
    """Without a thought in the content, which is all that the tests write."""
    if role != "assistant":
        return chatml(role, content)
    return chatml(role, "<think>\n\n</think>\n\n" + content.lstrip("\n"))


def llama3(role: str, content: str) -> Parts:
    head = f"<|start_header_id|>{role}<|end_header_id|>\n\n"
    return [(head, False), (content.strip() + "<|eot_id|>", role == "assistant")]


def gemma(role: str, content: str) -> Parts:
    answers = role == "assistant"
    head = f"<start_of_turn>{'model' if answers else role}\n"
    return [(head, False), (content.strip() + "<end_of_turn>", answers), ("\n", False)]


def mistral(role: str, content: str) -> Parts:
    if role == "assistant":
        return [(f" {content}</s>", True)]
    return [(f"[INST] {content}[/INST]", False)]


def phi3(role: str, content: str) -> Parts:
    return [(f"<|{role}|>\n", False), (content + "<|end|>", role == "assistant"), ("\n", False)]


@dataclass(frozen=True)
class Family:
    """A template, the control tokens of its tokenizer, and how it should write one message."""

    template: str
    message: Callable[[str, str], Parts]
    end: str = END
    specials: tuple[str, ...] = (UNKNOWN, START, END)
    added: tuple[str, ...] = ()
    tokens: dict[str, str | None] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    default_system: str | None = None
    roles: tuple[str, ...] = ("system", "user", "assistant", "tool")
    turns: int = 3
    """The most answers in a conversation that the template does not rewrite."""

    def tokenizer(self) -> Any:
        """A tiny tokenizer with this template."""
        tokenizer = tiny_tokenizer(self.specials, self.template, **self.tokens)
        tokenizer.add_tokens(list(self.added))
        return tokenizer

    def written(self, messages: list[dict[str, str]]) -> Parts:
        """The text in parts, each with whether it counts."""
        if self.default_system and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": self.default_system}, *messages]
        parts = [part for message in messages for part in self.message(**message)]
        return [(self.before, False), *parts, (self.after, False)]


QWEN_ADDED = ("<think>", "</think>", "<tool_response>", "</tool_response>")
LLAMA3_SPECIALS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
GEMMA_SPECIALS = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
MISTRAL_SPECIALS = ("<s>", "</s>", "[INST]", "[/INST]")
PHI3_SPECIALS = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>")
FAMILIES = {
    "chatml": Family(PLAIN_CHATML, chatml),
    "smollm2": Family(CHATML, chatml, default_system="You are a helpful AI assistant named Tiny"),
    "marked": Family(MARKED, chatml),
    "marked without end": Family(MARKED_WITHOUT_END, chatml),
    "llama3": Family(
        LLAMA3,
        llama3,
        "<|eot_id|>",
        LLAMA3_SPECIALS,
        tokens={"bos": "<|begin_of_text|>", "eos": "<|eot_id|>"},
        before="<|begin_of_text|>",
    ),
    "qwen2.5": Family(QWEN25, qwen25, added=QWEN_ADDED, default_system="You are Tiny."),
    "qwen3": Family(QWEN3, qwen3, added=QWEN_ADDED, turns=1),
    "gemma": Family(
        GEMMA,
        gemma,
        "<end_of_turn>",
        GEMMA_SPECIALS,
        tokens={"bos": "<bos>", "eos": "<eos>", "pad": "<pad>"},
        before="<bos>",
        roles=("user", "assistant"),
    ),
    "mistral": Family(
        MISTRAL,
        mistral,
        "</s>",
        MISTRAL_SPECIALS,
        tokens={"bos": "<s>", "eos": "</s>"},
        before="<s>",
        roles=("user", "assistant"),
    ),
    "phi3": Family(
        PHI3,
        phi3,
        "<|end|>",
        PHI3_SPECIALS,
        tokens={"bos": None, "eos": "<|endoftext|>"},
        after="<|endoftext|>",
    ),
}
