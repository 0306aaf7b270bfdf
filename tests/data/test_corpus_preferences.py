"""The promises of the course's pairs of answers and of its scored answers, on the files."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from statistics import mean

import pytest
from datasets import Dataset, DatasetDict, Value, concatenate_datasets
from sklearn.metrics import cohen_kappa_score
from text_measures import share_once

from ftlearn.data import leaks, load, near_duplicates, repair_text, split
from ftlearn.data.bundled import VIRTUES

SIZES = {"train": 180, "valid": 40, "test": 60}
SIDES = {"first": "second", "second": "first"}
NUMBERS = (
    "two three four five six seven eight nine ten eleven twelve fourteen sixteen twenty thirty "
    "half third twice hundred"
)
NUMBER = re.compile(rf"\d|\b(?:{'|'.join(NUMBERS.split())})\b", re.IGNORECASE)
STEPS = (
    "begin choose cut export give let press put recline ring say send smear soak sprinkle take "
    "turn use wait watch wear"
)
STEP = re.compile(rf"(?:^|[.!?:;,] )(?:(?:and|then) )?(?:{'|'.join(STEPS.split())})\b", re.I)
"""An imperative at the start of a clause."""
SURE = (
    "absolutely all always any anybody automatically certain certainly completely ever every "
    "everything exactly guarantee guaranteed naturally never nobody nothing perfectly promise "
    "sure surely tomorrow will wonderfully"
)
SURE_WORD = re.compile(rf"\b(?:{'|'.join(SURE.split())}|no problem|of course)\b|'ll\b", re.I)
CAREFUL = (
    "although about can't depends differ hardly hope if may might most mostly often perhaps "
    "please rarely sometimes sorry thank thanks though unless until usually when"
)
CAREFUL_WORD = re.compile(rf"\b(?:{'|'.join(CAREFUL.split())})\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def pairs() -> DatasetDict:
    """The three parts with pairs."""
    parts = load("preferences")
    return DatasetDict({part: parts[part] for part in SIZES})


@pytest.fixture(scope="module")
def rows(pairs) -> list[dict]:
    """All pairs, in the order of their numbers."""
    return sorted((row for part in pairs.values() for row in part), key=lambda row: row["id"])


@pytest.fixture(scope="module")
def answers() -> list[dict]:
    """The single answers with a score."""
    return list(load("preferences")["ratings"])


def length(text: str) -> int:
    """Words between spaces."""
    return len(text.split())


def better(row: dict, rater: str) -> str:
    """The text that a rater prefers."""
    return row[row[f"rater_{rater}"]]


def worse(row: dict, rater: str) -> str:
    """The text that a rater does not prefer."""
    return row[SIDES[row[f"rater_{rater}"]]]


def shorter_wins(rows: list[dict], rater: str) -> float:
    """The share of pairs of which a rater prefers the shorter answer; a draw counts as not."""
    return mean(length(better(row, rater)) < length(worse(row, rater)) for row in rows)


def test_columns(pairs):
    texts = ("id", "theme", "kind", "prompt", "first", "second", "rater_a", "reason_a")
    texts += ("rater_b", "reason_b", "chosen", "rejected")
    for part in pairs.values():
        assert part.features == dict.fromkeys(texts, Value("string")) | {"agree": Value("bool")}
    ratings = load("preferences")["ratings"].features
    assert ratings == {
        **dict.fromkeys(("id", "kind", "prompt", "answer"), Value("string")),
        **dict.fromkeys(VIRTUES, Value("bool")),
        "score": Value("int32"),
    }


def test_ids_and_prompts_are_unique_and_sizes_as_promised(pairs, rows):
    assert {name: len(part) for name, part in pairs.items()} == SIZES
    assert [row["id"] for row in rows] == [f"p{number:03d}" for number in range(1, 281)]
    assert len({row["prompt"].lower() for row in rows}) == len(rows)


def test_lengths(rows):
    assert all(6 <= length(row["prompt"]) <= 30 for row in rows)
    assert all(8 <= length(row[side]) <= 45 for row in rows for side in SIDES)


def test_chosen_and_rejected_are_the_two_answers_by_rater_a(rows):
    for row in rows:
        assert {row["rater_a"], row["rater_b"]} <= set(SIDES)
        assert (row["chosen"], row["rejected"]) == (better(row, "a"), worse(row, "a"))
        assert row["chosen"] != row["rejected"]
        assert row["agree"] == (better(row, "b") == row["chosen"])


def test_the_better_answer_is_as_often_first_as_second(pairs):
    for name, part in pairs.items():
        assert Counter(part["rater_a"]) == dict.fromkeys(SIDES, SIZES[name] // 2)


def test_raters_agree_on_seven_pairs_in_ten_well_above_chance(pairs, rows):
    share = mean(row["agree"] for row in rows)
    assert 0.70 <= share <= 0.75
    verdicts = [[row[f"rater_{rater}"] for row in rows] for rater in "ab"]
    assert 0.40 <= cohen_kappa_score(*verdicts) <= 0.50
    assert all(abs(mean(part["agree"]) - share) <= 0.05 for part in pairs.values())


def test_length_alone_tells_something_and_the_opposite_for_the_other_rater(rows):
    assert 0.60 <= shorter_wins(rows, "a") <= 0.65
    assert 0.35 <= shorter_wins(rows, "b") <= 0.45


def test_where_length_decided_the_shorter_answer_is_preferred(rows):
    decided = [row for row in rows if row["reason_a"] == "length"]
    assert len(decided) >= 30
    assert all(length(better(row, "a")) < length(worse(row, "a")) for row in decided)


def test_where_a_step_decided_numbers_are_in_the_preferred_answer(rows):
    decided = [row for row in rows if row["reason_a"] == "step"]
    assert mean(bool(NUMBER.search(better(row, "a"))) for row in decided) >= 0.7
    assert mean(bool(NUMBER.search(worse(row, "a"))) for row in decided) <= 0.15


def test_where_a_promise_decided_the_rejected_answer_sounds_sure(rows):
    decided = [row for row in rows if row["reason_b"] == "promise"]
    assert len(decided) >= 50
    assert mean(bool(SURE_WORD.search(worse(row, "b"))) for row in decided) >= 0.95
    assert mean(bool(SURE_WORD.search(better(row, "b"))) for row in decided) <= 0.4


def test_rater_b_prefers_careful_words_where_the_raters_differ(rows):
    differ = [row for row in rows if not row["agree"] and row["reason_b"] != "promise"]
    careful = [
        [len(CAREFUL_WORD.findall(text)) for text in (better(row, "b"), worse(row, "b"))]
        for row in differ
    ]
    assert mean(kept > left for kept, left in careful) >= 0.7
    assert mean(kept < left for kept, left in careful) <= 0.15


def test_reasons_are_those_of_the_rules(rows):
    assert set(Counter(row["reason_a"] for row in rows)) == {"answer", "step", "length"}
    assert set(Counter(row["reason_b"] for row in rows)) == {"promise", "limit", "polite", "answer"}


def test_nothing_leaks_between_parts(pairs):
    assert leaks(pairs, text="prompt", group="theme", threshold=0.5) == []
    assert leaks(pairs, text="chosen", group="theme", threshold=0.5) == []


def test_the_parts_are_what_split_gives(pairs):
    keys = concatenate_datasets(list(pairs.values())).select_columns(["id", "theme", "kind"])
    parts = split(keys, sizes=(180, 40, 60), group="theme", seed=125)
    assert {name: set(part["id"]) for name, part in parts.items()} == {
        name: set(part["id"]) for name, part in pairs.items()
    }


def test_every_kind_of_request_is_in_every_part_in_proportion(pairs, rows):
    total = Counter(row["kind"] for row in rows)
    assert set(total) == {"everyday", "writing", "shop", "health", "technology", "sports"}
    for part in pairs.values():
        counts = Counter(part["kind"])
        assert all(abs(counts[kind] - len(part) * total[kind] / 280) <= 3 for kind in total)


def test_there_are_no_near_duplicates(rows, answers):
    prompts = [*{row["prompt"] for row in rows}, *{row["prompt"] for row in answers}]
    assert near_duplicates(prompts, threshold=0.5) == []
    texts = [row[side] for row in rows for side in SIDES] + [row["answer"] for row in answers]
    assert near_duplicates(texts, threshold=0.5) == []


def test_requests_and_answers_are_written_one_by_one(rows):
    assert share_once([row["prompt"] for row in rows]) >= 0.95
    assert share_once([row[side] for row in rows for side in SIDES]) >= 0.95


def test_answers_from_a_template_would_fail(rows):
    frame = "Thank you for asking about {}, here is what we would do in your place today."
    assert share_once([frame.format(row["theme"]) for row in rows]) < 0.6


def test_pairs_are_what_trl_takes_as_texts_or_as_messages(pairs):
    data_utils = pytest.importorskip("trl.data_utils")
    texts = pairs["train"].select_columns(["prompt", "chosen", "rejected"])
    assert not data_utils.is_conversational(texts[0])
    chats = Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "chosen": [{"role": "assistant", "content": row["chosen"]}],
                "rejected": [{"role": "assistant", "content": row["rejected"]}],
            }
            for row in texts
        ]
    )
    assert data_utils.is_conversational(chats[0])
    whole = {name: chats[0]["prompt"] + chats[0][name] for name in ("chosen", "rejected")}
    assert data_utils.maybe_extract_prompt(whole) == chats[0]


def test_there_are_five_answers_to_each_of_twenty_other_requests_one_of_each_score(rows, answers):
    scores = {row["prompt"]: [] for row in answers}
    for row in answers:
        scores[row["prompt"]].append(row["score"])
    assert len(scores) == 20
    assert all(sorted(values) == [0, 1, 2, 3, 4] for values in scores.values())
    assert not set(scores) & {row["prompt"] for row in rows}
    assert [row["id"] for row in answers] == [f"a{number:03d}" for number in range(1, 101)]
    assert all(8 <= length(row["answer"]) <= 45 for row in answers)


def test_the_score_counts_four_virtues_none_of_them_rare(answers):
    for row in answers:
        assert row["score"] == sum(row[virtue] for virtue in VIRTUES)
    assert all(0.4 <= mean(row[virtue] for row in answers) <= 0.6 for virtue in VIRTUES)


def test_a_program_finds_which_answers_are_brief_and_which_concrete(answers):
    for row in answers:
        assert row["brief"] == (length(row["answer"]) <= 25), row["answer"]
        concrete = bool(NUMBER.search(row["answer"]) or STEP.search(row["answer"]))
        assert row["concrete"] == concrete, row["answer"]


def test_length_alone_does_not_give_the_score(answers):
    """Answers of one length have several scores: a reward that is not the number of words."""
    scores = {brief: {row["score"] for row in answers if row["brief"] == brief} for brief in (0, 1)}
    assert scores == {0: {0, 1, 2, 3}, 1: {1, 2, 3, 4}}


def test_the_card_states_these_figures(rows, answers):
    card = (resources.files("ftlearn.data") / "files" / "CARD.md").read_text(encoding="utf-8")
    section = card.split("## preferences\n")[1].split("\n## ")[0]
    lengths = [length(row[side]) for row in rows for side in SIDES]
    prompts = [length(row["prompt"]) for row in rows]
    verdicts = [[row[f"rater_{rater}"] for row in rows] for rater in "ab"]
    for figure in (
        f"{len(rows)} pairs of answers of {min(lengths)} to {max(lengths)} words to a request of "
        f"{min(prompts)} to {max(prompts)} words",
        f"{len({row['theme'] for row in rows})} themes",
        f"agree on {mean(row['agree'] for row in rows):.1%}".replace("%", " %"),
        f"(Cohen's kappa {cohen_kappa_score(*verdicts):.2f})",
        f"rater A in {shorter_wins(rows, 'a'):.1%}".replace("%", " %"),
        f"rater B in {shorter_wins(rows, 'b'):.1%}".replace("%", " %"),
        f"{len({row['prompt'] for row in answers})} other requests",
    ):
        assert figure in section


def test_repair_leaves_them_unchanged(rows, answers):
    texts = [row[name] for row in rows for name in ("prompt", *SIDES)]
    texts += [row[name] for row in answers for name in ("prompt", "answer")]
    assert [text for text in texts if repair_text(text).changes] == []
