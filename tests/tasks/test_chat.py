"""Chats: the system prompt, the window, what is shown, and other kinds of tokenizers."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from html import unescape
from types import SimpleNamespace

import pytest
import torch
from chat_families import FAMILIES
from datasets import Dataset, DatasetDict
from html_parsing import Parsed
from hypothesis import given
from hypothesis import strategies as st
from tiny_decoder import CHATML, END, START, TEXTS, tiny_decoder, tiny_tokenizer
from tokenizers import Tokenizer, decoders, normalizers, processors, trainers
from tokenizers.models import BPE
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ftlearn import TrainConfig, models, tasks
from ftlearn.evaluation import evaluate
from ftlearn.losses import IGNORED
from ftlearn.tasks import chat_template
from ftlearn.tasks.base import TruncationWarning
from ftlearn.training import fit

USER = {"role": "user", "content": "Good morning!"}
ASSISTANT = {"role": "assistant", "content": "How can I help you?"}
TURN = [USER, ASSISTANT]
ROWS = Dataset.from_dict({"messages": [TURN, [*TURN, USER, ASSISTANT]]})
TOKENIZER = tiny_tokenizer()


def counted(tokenizer, messages, **settings) -> str:
    """What counts of one conversation, as text."""
    targets = tasks.chat(**settings).encode_texts([messages], tokenizer).targets[0]
    return tokenizer.decode([target for target in targets if target != IGNORED])


# The task


def test_the_task_is_saved_as_json_and_read_again():
    task = tasks.chat(ROWS, template=CHATML, system="Be brief — 短く.", count="last answer")
    assert tasks.Chat(**json.loads(json.dumps(asdict(task)))) == task


def test_rows_are_those_of_the_training_part():
    bad = Dataset.from_dict({"messages": [[USER]]})
    assert tasks.chat(DatasetDict(train=ROWS, test=bad)) == tasks.chat()
    with pytest.raises(ValueError) as caught:
        tasks.chat(DatasetDict(train=bad, test=ROWS))
    assert str(caught.value) == (
        "row 0 of column 'messages': no message is the assistant's, so there is nothing to learn. "
        "Mend or drop the row"
    )


def test_wrong_arguments_are_errors():
    with pytest.raises(ValueError, match="count is 'answer': use one of 'answers', 'last answer'"):
        tasks.chat(count="answer")
    with pytest.raises(KeyError, match="no column 'chats'; it has: messages"):
        tasks.chat(ROWS, messages="chats")
    with pytest.raises(KeyError, match="no column 'chats'; it has: messages"):
        tasks.chat(messages="chats").encode(ROWS, TOKENIZER)
    with pytest.raises(ValueError, match=r"empty \(0 rows\)"):
        tasks.chat().encode(ROWS.select([]), TOKENIZER)


def test_rows_and_bare_conversations_are_encoded_alike():
    task = tasks.chat()
    encoded = task.encode(ROWS, TOKENIZER)
    bare = task.encode_texts(ROWS["messages"][:], TOKENIZER)
    assert (encoded.inputs, encoded.targets) == (bare.inputs, bare.targets)
    assert encoded.max_length == 512
    assert encoded.inputs["attention_mask"] == [[1] * length for length in encoded.lengths]


def test_a_report_shows_the_last_answer():
    more = [*TURN, USER, {**ASSISTANT, "content": "Bye"}, USER]
    rows = Dataset.from_dict({"messages": [TURN, more]})
    assert tasks.chat().readable_targets(rows) == [ASSISTANT["content"], "Bye"]


def test_long_conversations_are_cut_at_the_end_and_counted():
    long = [USER, {**ASSISTANT, "content": "1 2 3 4 5 " * 20}]
    whole = tasks.chat().encode_texts([TURN, long], TOKENIZER)
    with pytest.warns(TruncationWarning, match="1 of 2 texts are longer than 60 tokens"):
        cut = tasks.chat(max_length=60).encode_texts([TURN, long], TOKENIZER)
    assert cut.truncated == 1
    assert cut.inputs["input_ids"] == [ids[:60] for ids in whole.inputs["input_ids"]]
    assert cut.targets == [ids[:60] for ids in whole.targets]


def test_a_cut_between_turns_leaves_whole_answers():
    whole = tasks.chat().encode_texts([[*TURN, USER, ASSISTANT]], TOKENIZER)
    length = whole.targets[0].index(TOKENIZER.eos_token_id) + 3
    task = tasks.chat(max_length=length, truncation="silent")
    targets = task.encode_texts([[*TURN, USER, ASSISTANT]], TOKENIZER).targets[0]
    assert TOKENIZER.decode([t for t in targets if t != IGNORED]) == ASSISTANT["content"] + END


# The system prompt


@given(system=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_a_system_prompt_is_what_a_system_message_would_be(system):
    task = tasks.chat(system=system)
    template = task.template_for(TOKENIZER)
    explicit = [{"role": "system", "content": system}, *TURN]
    assert chat_template.render(TOKENIZER, TURN, template=template) == chat_template.render(
        TOKENIZER, explicit
    )


def test_a_conversation_keeps_its_own_system_prompt():
    explicit = [{"role": "system", "content": "Talk like a pirate."}, *TURN]
    task = tasks.chat(system="Be brief.")
    assert (
        task.encode_texts([explicit], TOKENIZER).inputs
        == tasks.chat().encode_texts([explicit], TOKENIZER).inputs
    )


@pytest.mark.parametrize("name", ["chatml", "smollm2", "marked", "llama3", "qwen2.5", "phi3"])
def test_training_and_serving_read_the_same_ids(name, tmp_path):
    tokenizer = FAMILIES[name].tokenizer()
    task = tasks.chat(system='Say "yes", {{ never }} {% if %} no.')
    trained = task.encode_texts([TURN], tokenizer).inputs["input_ids"][0]
    tokenizer.chat_template = task.template_for(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    served = AutoTokenizer.from_pretrained(tmp_path)
    assert served.apply_chat_template(TURN)["input_ids"] == trained
    prompt = served.apply_chat_template([USER], add_generation_prompt=True)["input_ids"]
    assert trained[: len(prompt)] == prompt
    again = task.encode_texts([TURN], served).inputs["input_ids"][0]  # the prompt stands once
    assert again == trained
    assert task.template_for(served) == served.chat_template


def test_a_template_replaces_that_of_the_tokenizer():
    template = FAMILIES["chatml"].template
    task = tasks.chat(template=template)
    ids = task.encode_texts([TURN], TOKENIZER).inputs["input_ids"][0]
    assert ids == TOKENIZER.apply_chat_template(TURN, chat_template=template)["input_ids"]
    assert task.template_for(TOKENIZER) == template


def test_a_tokenizer_without_a_template_is_an_error():
    tokenizer = tiny_tokenizer(template=None)
    with pytest.raises(ValueError, match="this tokenizer has no chat template"):
        tasks.chat().encode_texts([TURN], tokenizer)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_end_token_is_the_one_that_the_template_writes(name):
    family = FAMILIES[name]
    assert chat_template.end_token(family.tokenizer()) == family.end


# Tokenizers


def test_a_token_shared_by_header_and_answer_counts():
    tokenizer = tiny_tokenizer(texts=(*TEXTS, "a\n\n\nb\n\n" * 9))
    shared = tokenizer.convert_tokens_to_ids("ĊĊ")
    messages = [USER, {"role": "assistant", "content": "\n\nyes"}]
    targets = tasks.chat().encode_texts([messages], tokenizer).targets[0]
    assert targets.count(shared) == 1
    assert counted(tokenizer, messages) == "\n\n\nyes" + END


@given(content=st.text("ab 1\n\tü", min_size=1).filter(str.strip))
def test_offsets_that_leave_spaces_out_give_the_same_targets(content):
    messages = [USER, {"role": "assistant", "content": content}, USER, ASSISTANT]
    task = tasks.chat()
    assert (
        task.encode_texts([messages], TRIMMING).targets
        == task.encode_texts([messages], TOKENIZER).targets
    )


def trimming_tokenizer() -> PreTrainedTokenizerFast:
    """As RoBERTa has it: the offsets of a token leave its spaces out."""
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    text = tokenizer("a b", return_offsets_mapping=True)
    assert text["offset_mapping"][-1] == (2, 3)
    return tokenizer


TRIMMING = trimming_tokenizer()


def space_tokenizer() -> PreTrainedTokenizerFast:
    """As Llama 2 has it: a space before every text, spaces as letters, bytes for the rest."""
    tokenizer = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<unk>", START, END, *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator([text.replace(" ", "▁") for text in TEXTS], trainer)
    content = json.loads(tokenizer.to_str())
    del content["added_tokens"][3:]  # bytes are ordinary tokens
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)),
        unk_token="<unk>",
        bos_token=START,
        eos_token=END,
        pad_token=END,
        chat_template=CHATML,
    )


@pytest.mark.parametrize("content", ["Good", " Good 4", "a<|im_end|> b<|im_start|>", "<|im_end|>"])
def test_a_tokenizer_that_puts_a_space_before_texts_is_read_as_transformers_does(content):
    tokenizer = space_tokenizer()
    messages = [{**USER, "content": content}, {**ASSISTANT, "content": content}]
    encoded = tasks.chat().encode_texts([messages], tokenizer)
    expected = tokenizer.apply_chat_template(messages, sanitize_control_tokens=True)
    assert encoded.inputs["input_ids"][0] == expected["input_ids"]
    assert counted(tokenizer, messages).replace(" ", "") == (content + END).replace(" ", "")


def test_a_slow_tokenizer_is_an_error():
    slow = SimpleNamespace(
        is_fast=False,
        chat_template=CHATML,
        added_tokens_decoder={},
        special_tokens_map={},
        model_max_length=64,
    )
    with pytest.raises(TypeError, match="does not say which characters a token stands for"):
        tasks.chat().encode_texts([TURN], slow)


# What is shown

SHORT = "{% for m in messages %}{{ m.content + '<|im_end|>\n' }}{% endfor %}"


def test_a_row_is_shown_with_brackets_around_what_counts():
    view = tasks.chat(template=SHORT).show({"messages": TURN}, TOKENIZER)
    total = len(TOKENIZER("Good morning!<|im_end|>\nHow can I help you?<|im_end|>\n")["input_ids"])
    count = len(TOKENIZER("How can I help you?<|im_end|>")["input_ids"])
    assert (
        repr(view)
        == str(view)
        == (
            "Good morning!<|im_end|>\n[[How can I help you?<|im_end|>]]\n\n\n"
            f"{count} of {total} tokens count."
        )
    )


def test_a_row_is_shown_as_html_in_which_what_counts_is_marked():
    messages = [{**USER, "content": "<img src=x> ü"}, ASSISTANT]
    html = tasks.chat(template=SHORT).show(messages, TOKENIZER)._repr_html_()
    page = Parsed(html)
    assert "img" not in dict(page.elements)
    assert "<img·src" in page.text.replace(" ", "")
    marks = re.findall("<mark>(.*?)</mark>", html)
    assert unescape("".join(marks)).replace("·", " ") == "How can I help you?<|im_end|>"


def test_the_table_of_a_row_has_a_line_per_token():
    table = tasks.chat().show(TURN, TOKENIZER).table()
    encoded = tasks.chat().encode_texts([TURN], TOKENIZER)
    assert table["id"].tolist() == encoded.inputs["input_ids"][0]
    assert table["counts"].tolist() == [target != IGNORED for target in encoded.targets[0]]
    assert "".join(table["piece"]) == chat_template.render(TOKENIZER, TURN)


def test_only_the_window_is_shown():
    view = tasks.chat(max_length=30).show(TURN, TOKENIZER)
    assert len(view.ids) == 30


# Training


def test_a_model_learns_the_answers_and_when_to_stop(tmp_path):
    folder = tiny_decoder(tmp_path)
    task = tasks.chat(max_length=96)
    model, tokenizer = models.load(folder, task, device="cpu")
    rows = Dataset.from_dict({"messages": [TURN] * 8})
    before = evaluate(model, rows, task, tokenizer).scores["loss"]
    fit(model, rows, task, tokenizer, TrainConfig(epochs=30, batch_size=8, learning_rate=1e-2))
    after = evaluate(model, rows, task, tokenizer).scores["loss"]
    assert after < 0.2 < 3 < before
    prompt = chat_template.token_ids(tokenizer, [USER], add_generation_prompt=True)
    said = model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0]
    assert tokenizer.decode(said[len(prompt) :]) == ASSISTANT["content"] + END
