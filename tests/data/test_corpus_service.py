"""The promises of the course's customer dialogues, on the files themselves."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest
from datasets import Dataset, DatasetDict, concatenate_datasets
from text_measures import share_once, words

from ftlearn.data import (
    FOLLOW_UP,
    INTENTS,
    OUT_OF_SCOPE,
    leaks,
    load,
    near_duplicates,
    repair_text,
    split,
)
from ftlearn.data.chats import fault

PARTS = ("train", "valid", "test")
ACTIONS = {"answer", "ask", "hand_over", "decline"}
ORDER = re.compile(r"HR-\d+")
BRITISH = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
IRISH = r"[A-Z]\d[\dW] ?[A-Z\d]{4}"
POSTCODE = re.compile(rf"\b(?:{BRITISH}|{IRISH})\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def dialogues() -> DatasetDict:
    """The three parts with dialogues."""
    return DatasetDict({part: load("service")[part] for part in PARTS})


@pytest.fixture(scope="module")
def rows(dialogues) -> list[dict]:
    """All dialogues, in the order of their numbers."""
    return sorted((row for part in dialogues.values() for row in part), key=lambda row: row["id"])


@pytest.fixture(scope="module")
def rules() -> dict[str, str]:
    """What each rule of the shop says."""
    return {row["rule"]: row["says"] for row in load("service")["rules"]}


def said(row: dict, role: str) -> list[str]:
    """What one side said."""
    return [message["content"] for message in row["messages"] if message["role"] == role]


def answers(rows: list[dict]) -> list[dict]:
    """The assistant's messages with their notes, and what the customer had said before."""
    return [
        {
            "content": content,
            "facts": row["facts"][number],
            "rules": row["rules"][number],
            "action": row["actions"][number],
            "before": " ".join(said(row, "user")[: number + 1]),
        }
        for row in rows
        for number, content in enumerate(said(row, "assistant"))
    ]


def test_columns():
    parts = load("service")
    assert list(parts) == [*PARTS, "rules"]
    columns = ["id", "customer", "label", "intents", "messages", "facts", "rules", "actions"]
    for part in PARTS:
        assert parts[part].column_names == columns
        assert parts[part].features["label"].names == [*INTENTS, OUT_OF_SCOPE]
    assert parts["rules"].column_names == ["rule", "says"]


def test_ids_are_unique_and_sizes_as_promised(dialogues, rows):
    assert len({row["id"] for row in rows}) == len(rows) >= 300
    assert len(dialogues["test"]) >= 80
    assert len(dialogues["valid"]) >= 40


def test_they_are_chats_of_3_to_8_messages_in_turn(rows):
    for row in rows:
        roles = [message["role"] for message in row["messages"]]
        assert fault(row["messages"]) is None
        assert 3 <= len(roles) <= 8
        assert roles == [("user", "assistant")[i % 2] for i in range(len(roles))]


def test_most_end_with_the_assistant(rows):
    thanks = sum(row["messages"][-1]["role"] == "user" for row in rows)
    assert 0.08 <= thanks / len(rows) <= 0.2


def test_there_are_notes_for_each_message(rows):
    for row in rows:
        assert len(row["intents"]) == len(said(row, "user"))
        notes = [len(row[column]) for column in ("facts", "rules", "actions")]
        assert notes == [len(said(row, "assistant"))] * 3


def test_lengths(rows):
    for row in rows:
        assert all(7 <= len(content.split()) <= 48 for content in said(row, "assistant"))
        assert all(1 <= len(content.split()) <= 65 for content in said(row, "user"))


def test_there_are_15_intents_beside_out_of_scope_and_follow_up(rows):
    assert len(set(INTENTS)) == 15
    intents = Counter(intent for row in rows for intent in row["intents"])
    assert set(intents) == {*INTENTS, OUT_OF_SCOPE, FOLLOW_UP}
    assert min(intents[intent] for intent in INTENTS) >= 20
    firsts = Counter(row["intents"][0] for row in rows)
    assert min(firsts[intent] for intent in INTENTS) >= 0.8 * max(firsts.values())


def test_the_label_is_the_first_intent(dialogues):
    for part in dialogues.values():
        names = part.features["label"].int2str(part["label"][:])
        assert names == [intents[0] for intents in part["intents"]]


def test_one_dialogue_in_five_has_a_request_out_of_scope(dialogues):
    for part in dialogues.values():
        share = sum(OUT_OF_SCOPE in intents for intents in part["intents"]) / len(part)
        assert 0.1 <= share <= 0.3


def test_requests_out_of_scope_are_declined_and_no_others(rows):
    for row in rows:
        for intent, action in zip(row["intents"], row["actions"], strict=False):
            assert (intent == OUT_OF_SCOPE) == (action == "decline"), row["id"]


def test_one_dialogue_in_eight_is_handed_over(rows):
    assert {action for row in rows for action in row["actions"]} == ACTIONS
    share = sum("hand_over" in row["actions"] for row in rows) / len(rows)
    assert 0.09 <= share <= 0.16


def test_there_are_twenty_rules_and_each_is_applied(rows, rules):
    assert list(rules) == [f"R{number}" for number in range(1, 21)]
    applied = Counter(rule for answer in answers(rows) for rule in answer["rules"])
    assert set(applied) == set(rules)
    assert min(applied.values()) >= 10


def test_who_hands_over_or_declines_names_the_rule(rows):
    for answer in answers(rows):
        if answer["action"] in ("hand_over", "decline"):
            rule = {"hand_over": "R19", "decline": "R20"}[answer["action"]]
            assert rule in answer["rules"], answer


def stands_in(fact: str, text: str) -> bool:
    """Whether a text has a fact as whole words."""
    return re.search(rf"(?<![\w.]){re.escape(fact)}(?!\w)", text) is not None


def test_facts_stand_in_their_message_as_whole_words(rows):
    facts = [(fact, answer["content"]) for answer in answers(rows) for fact in answer["facts"]]
    assert len(facts) >= 2 * len(rows)
    for fact, content in facts:
        assert stands_in(fact, content), (fact, content)
    assert max(len(answer["facts"]) for answer in answers(rows)) <= 4


def test_numbers_from_a_rule_come_with_that_rule(rows, rules):
    """A fact with a number that stands in rules names one of them, unless the customer said it."""
    numbers = 0
    for answer in answers(rows):
        for fact in answer["facts"]:
            sources = {rule for rule, says in rules.items() if stands_in(fact, says)}
            if re.search(r"\d", fact) and sources and fact not in answer["before"]:
                numbers += 1
                assert sources & set(answer["rules"]), answer
    assert numbers >= len(rows)


def test_order_numbers_are_repeated_and_never_invented(rows):
    for answer in answers(rows):
        mentioned = set(ORDER.findall(answer["content"]))
        assert mentioned <= set(ORDER.findall(answer["before"].upper())), answer


def test_details_of_an_order_need_a_postcode(rows):
    """An answer without one asks for it, or refuses the details."""
    for answer in answers(rows):
        if answer["action"] == "answer" and ORDER.search(answer["content"]):
            refused = "postcode" in answer["content"] or answer["content"].startswith("No, ")
            assert POSTCODE.search(answer["before"]) or refused, answer


def test_an_order_number_belongs_to_one_dialogue(rows):
    places = defaultdict(set)
    for row in rows:
        for message in row["messages"]:
            for order in ORDER.findall(message["content"].upper()):
                places[order].add(row["id"])
    assert len(places) >= 0.5 * len(rows)
    assert {order: ids for order, ids in places.items() if len(ids) > 1} == {}


def test_some_customers_come_twice(rows):
    visits = Counter(row["customer"] for row in rows)
    assert set(visits.values()) == {1, 2}
    assert 0.15 <= sum(count == 2 for count in visits.values()) / len(visits) <= 0.35


def joined(part: Dataset) -> Dataset:
    """Customers and whole dialogues as one text."""
    texts = [" ".join(message["content"] for message in row) for row in part["messages"]]
    return Dataset.from_dict({"customer": part["customer"], "text": texts})


def test_nothing_leaks_between_parts(dialogues):
    texts = {name: joined(part) for name, part in dialogues.items()}
    assert leaks(texts, group="customer", threshold=0.5) == []


def test_the_parts_are_what_split_gives_stratified_to_within_one_row(dialogues):
    keys = concatenate_datasets(list(dialogues.values()))
    keys = keys.select_columns(["id", "customer", "label"])
    sizes = (210, 40, 80)
    parts = split(keys, sizes=sizes, stratify="label", group="customer", seed=0)
    assert {name: sorted(part["id"]) for name, part in parts.items()} == {
        name: sorted(part["id"]) for name, part in dialogues.items()
    }
    labels = Counter(keys["label"])
    for part in dialogues.values():
        counts = Counter(part["label"])
        for label, count in labels.items():
            assert abs(counts[label] - count * len(part) / len(keys)) <= 1


def test_no_two_dialogues_are_alike(rows):
    texts = [" ".join(message["content"] for message in row["messages"]) for row in rows]
    assert near_duplicates(texts, threshold=0.5) == []
    firsts = [said(row, "user")[0] for row in rows]
    assert len({tuple(words(first)[:4]) for first in firsts}) >= 0.95 * len(rows)


def test_no_two_requests_are_alike(rows):
    """Messages below six words ("yes please") may return."""
    requests = [text for row in rows for text in said(row, "user") if len(text.split()) >= 6]
    assert len(requests) >= 500
    groups = near_duplicates(requests, threshold=0.5)
    assert [[requests[i] for i in group] for group in groups] == []


def test_messages_are_written_one_by_one(rows):
    """The assistant repeats the shop's rules, therefore its share is lower."""
    assert share_once([text for row in rows for text in said(row, "user")]) >= 0.95
    replies = [text for row in rows for text in said(row, "assistant")]
    assert share_once(replies) >= 0.65
    assert len(set(replies)) == len(replies)


def test_replies_from_templates_would_fail(rows, rules):
    replies = [
        f"Thank you for your message about order {fact}. {rules[answer['rules'][0]]}"
        for answer in answers(rows)
        for fact in answer["facts"][:1]
        if answer["rules"]
    ]
    assert len(replies) >= 500
    assert share_once(replies) < 0.2


def test_repair_leaves_them_unchanged(rows, rules):
    texts = [message["content"] for row in rows for message in row["messages"]]
    assert [text for text in [*texts, *rules.values()] if repair_text(text).changes] == []
