"""Twenty checks, each of which runs something: data and choices first, then behaviour and papers.

A check takes a ``Submission`` and returns in one sentence what it found; it raises ``Failed``, or
another FtlearnError, where the point is not earned.
"""

from __future__ import annotations

import re

import numpy as np

from ftlearn import data
from ftlearn.capstone import measures
from ftlearn.capstone.comparing import agree
from ftlearn.capstone.failing import Failed
from ftlearn.capstone.submission import PARTS, Submission, best_on_valid, read_object
from ftlearn.compatibility.scripts import UNSEPARATED

SEEDS = 3
"""The fewest runs that differ in nothing but the seed."""
PRIVATE = re.compile(r"[\w.+-]+@[\w-]+\.\w{2,}|(?<!\w)\+?\d[\d ()/-]{8,}\d(?!\w)")
"""An e-mail address or a telephone number."""
WORDS = 6
"""Words of the shortest sentence that says something."""
COMPARED = {
    measures.BETTER: "better than {name}".format,
    measures.WORSE: "worse than {name}".format,
    measures.SAME: "no difference from {name}".format,
}
"""What is said of a gain over a baseline, by its verdict."""


def files(submission: Submission) -> str:
    """The data are those that every run was trained on, and the weights those that are claimed."""
    now = measures.once(submission, "hashes")
    for run in submission.runs:
        trained_on = submission.run_settings(run)["data"]
        changed = [part for part in PARTS if trained_on.get(part) != now["data"][part]]
        if changed:
            raise Failed(f"run {run} was trained with another {submission.files[changed[0]].name}")
    agree(submission, "hashes", now)
    return f"{len(PARTS)} data files and {len(submission.runs)} models have the stated SHA-256"


def rows(submission: Submission) -> str:
    """Every row of the raw file is accounted for: kept in a part, or removed for a reason."""
    counts = submission.setting("rows", dict)
    removed, kept = counts.get("removed", {}), sum(map(len, submission.parts.values()))
    if counts.get("read") != kept + sum(removed.values()):
        raise Failed(
            f"{counts.get('read')} rows were read, and {kept} kept + {sum(removed.values())} "
            f"removed make {kept + sum(removed.values())}"
        )
    return f"{counts['read']} rows read = {kept} kept + {sum(removed.values())} removed"


def copies(submission: Submission) -> str:
    """No text stands, word by word or nearly so, in two parts."""
    leaks = data.leaks(submission.parts, text=submission.task.text)
    if leaks:
        places = " and ".join(f"{part} row {row}" for part, row in leaks[0].rows[:3])
        if len(leaks) == 1:
            raise Failed(f"1 text stands in two parts: {places}")
        raise Failed(f"{len(leaks)} texts stand in two parts, such as {places}")
    return f"no near-duplicate across the parts of {sum(map(len, submission.parts.values()))} texts"


def sources(submission: Submission) -> str:
    """Rows from one source are in one part; or it is said why rows are independent."""
    column = submission.settings.get("source")
    if not column:
        _sentence(submission, "independence")
        return "no source column; a sentence says why rows are independent"
    values = {part: set(measures.column_of(submission, part, column)) for part in PARTS}
    for first, second in (("train", "test"), ("train", "valid"), ("valid", "test")):
        shared = sorted((values[first] & values[second]) - {None, ""})
        if shared:
            raise Failed(f"{column} {shared[0]!r} is in {first} and in {second}")
    return f"{sum(map(len, values.values()))} values of {column}, each in one part"


def licence(submission: Submission) -> str:
    """Licence and consent are stated, and no text holds an e-mail address or telephone number."""
    for name in ("licence", "people"):
        _sentence(submission, name, words=1 if name == "licence" else WORDS)
    for part in PARTS:
        for row, text in enumerate(submission.texts(part)):
            if PRIVATE.search(text):
                raise Failed(f"{part} row {row} holds an e-mail address or a telephone number")
    return f"licence {submission.settings['words']['licence']!r}; no address or number in a text"


def seeds(submission: Submission) -> str:
    """At least three runs differ in the seed alone, and their spread is as stated."""
    asked = {run: submission.run_settings(run)["configuration"] for run in submission.runs}
    numbers = {run: settings.get("seed") for run, settings in asked.items()}
    weights = set(measures.once(submission, "hashes")["weights"].values())
    if len(set(numbers.values())) < SEEDS or len(weights) < len(asked):
        raise Failed(
            f"{len(asked)} runs with {len(set(numbers.values()))} seeds and {len(weights)} "
            f"different models: {SEEDS} are needed"
        )
    first, *others = [{**settings, "seed": None} for settings in asked.values()]
    if any(other != first for other in others):
        raise Failed("the runs differ in more than their seed")
    agree(submission, "seeds", measures.once(submission, "seeds"))
    spread = submission.claim("seeds")
    mean, deviation = spread["mean"], spread["deviation"]
    return f"{len(asked)} seeds: mean {mean:.3f}, standard deviation {deviation:.3f}, on test"


def served(submission: Submission) -> str:
    """Among the runs, the validation rows chose the one that is served."""
    best, name = best_on_valid(submission), submission.claim("served")
    if name != best:
        raise Failed(f"run {name} is served, and run {best} has the lowest log loss on valid")
    return f"run {best} has the lowest log loss on valid"


def threshold(submission: Submission) -> str:
    """The threshold is the one that the validation rows give."""
    now, claimed = measures.once(submission, "threshold"), submission.claim("threshold")
    test = submission.report(submission.served, "test")
    by_test = measures.smallest_threshold(measures.confidence(test), test.correct, now["target"])
    value = claimed.get("value") if isinstance(claimed, dict) else None
    if isinstance(value, float) and abs(value - by_test) < 1e-3 < abs(now["value"] - by_test):
        raise Failed(f"{value:.3f} is what the test rows choose; valid gives {now['value']:.3f}")
    agree(submission, "threshold", now)
    return f"{now['value']:.3f}, from valid; {now['answered']['value']:.0%} of test is answered"


def accuracy(submission: Submission) -> str:
    """The test accuracy and its interval are those of the saved model."""
    now = measures.once(submission, "accuracy")
    agree(submission, "accuracy", now)
    return f"{now['value']:.3f} [{now['low']:.3f}, {now['high']:.3f}] on {now['rows']} rows"


def baselines(submission: Submission) -> str:
    """Simple baselines were trained on the same rows, and the comparison says what is measured."""
    now = measures.once(submission, "baselines")
    agree(submission, "baselines", now)
    return "; ".join(COMPARED[gain["verdict"]](name=name) for name, gain in now.items())


def calibration(submission: Submission) -> str:
    """The calibration error stands beside what a calibrated model would show by chance."""
    now = measures.once(submission, "calibration")
    agree(submission, "calibration", now)
    if now["verdict"] == measures.OFF:
        return f"error {now['error']:.3f}, chance up to {now['null']:.3f}: off"
    return f"error {now['error']:.3f}, chance up to {now['null']:.3f}: within chance"


def slices(submission: Submission) -> str:
    """Each slice has its number of rows and its interval."""
    now = measures.once(submission, "slices")
    agree(submission, "slices", now)
    least = min(part["rows"] for group in now.values() for part in group.values())
    return f"{sum(map(len, now.values()))} slices, the smallest of {least} rows"


def errors(submission: Submission) -> str:
    """Wrong predictions on the validation rows were read, with a note on each."""
    notes = submission.setting("notes", dict)
    report = submission.report(submission.served, "valid")
    wrong = set(map(str, np.flatnonzero(~report.correct)))
    right = [row for row in notes if row not in wrong]
    if right:
        raise Failed(f"row {right[0]} of valid is no error of the served model")
    written = [row for row, note in notes.items() if _words(str(note)) >= 3]
    needed = min(5, len(wrong))
    if len(written) < needed:
        raise Failed(f"{len(written)} errors have a note; {needed} of {len(wrong)} are needed")
    return f"{len(written)} of {len(wrong)} errors on valid have a note"


def parity(submission: Submission) -> str:
    """Each saved model scores as it did when its run ended."""
    for run, folder in submission.runs.items():
        then = read_object(folder / "report.json")["test"]
        now = submission.report(run, "test").scores
        # The run may have predicted in bf16, where two rows may fall to the other side.
        rows = 2.5 / len(submission.parts["test"])
        for name, allowed in (("accuracy", rows), ("log_loss", 0.005 + 0.01 * now["log_loss"])):
            if abs(then[name]["value"] - now[name]) > allowed:
                raise Failed(
                    f"run {run} ended with {name} {then[name]['value']:.3f}, and its saved model "
                    f"has {now[name]:.3f}"
                )
    return f"{len(submission.runs)} reloaded models score as their runs did"


def _sentence(submission: Submission, name: str, words: int = WORDS) -> str:
    """A text of the learner's; Failed where it is missing, a placeholder, or too short."""
    text = str(submission.setting("words", dict).get(name, ""))
    if "TODO" in text or _words(text) < words:
        raise Failed(f"words in capstone.json say nothing on {name!r}")
    return text


def _words(text: str) -> float:
    """How many words a text has, with two characters of Chinese and the like for a word."""
    return (
        len(re.findall(r"\w\S*", UNSEPARATED.sub(" ", text))) + len(UNSEPARATED.findall(text)) / 2
    )


def purpose(submission: Submission) -> str:
    """Use, limits and the cost of errors are stated, in sentences that belong to this model."""
    names = ("purpose", "out_of_scope", "cost_of_errors", "limitations", "origin", "maintenance")
    texts = [_sentence(submission, name) for name in names]
    if len(set(texts)) < len(texts):
        raise Failed("two of the sentences are the same")
    groups = measures.once(submission, "slices")
    known = [str(value) for group in groups.values() for value in group]
    if not any(value.casefold() in texts[3].casefold() for value in known):
        raise Failed(f"the limitations name no label and no slice ({', '.join(known)})")
    return f"{len(names)} sentences; the limitations name a measured slice"


def drift(submission: Submission) -> str:
    """The reference that later traffic is compared with is stored."""
    agree(submission, "drift", measures.once(submission, "drift"))
    return "shares of the labels and deciles of the confidence are stored"
