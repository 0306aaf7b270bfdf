"""The model card and the data sheet, written from what is measured and what the learner says.

The card has the sections of Mitchell et al. 2018 (arXiv 1810.03993), the sheet those of Gebru et
al. 2018 (arXiv 1803.09010). Every number is measured; no number is typed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftlearn.capstone import measures
from ftlearn.capstone.comparing import different_line
from ftlearn.capstone.failing import Failed
from ftlearn.capstone.submission import CARD, PARTS, SHEET, Submission

MISSING = "TODO"


def model_card(submission: Submission, now: Mapping[str, Any]) -> str:
    """The model card as Markdown; ``now`` is what ``measures.measured`` returns."""
    words, asked = _Words(submission), submission.run_settings(now["served"])["configuration"]
    sections = {
        "Model details": [
            f"A classifier into {_listed(submission.task.labels)}, fine-tuned from "
            f"`{Path(asked['checkpoint']).name}` in {asked['epochs']} epochs with the seed "
            f"{asked['seed']}.",
            f"SHA-256 of the weights: `{now['hashes']['weights'][now['served']][:16]}`.",
            f"Licence: {words['licence']}",
        ],
        "Intended use": [words["purpose"], f"Not intended: {words['out_of_scope']}"],
        "Metrics": [_accuracy(now), _threshold(now["threshold"]), _calibration(now)],
        "Evaluation data": [f"{len(submission.parts['test'])} test rows; see {SHEET}."],
        "Training data": [f"{len(submission.parts['train'])} training rows; see {SHEET}."],
        "Quantitative analyses": [_baselines(now["baselines"]), _slices(now["slices"])],
        "Ethical considerations": [f"Cost of errors: {words['cost_of_errors']}"],
        "Caveats and recommendations": [words["limitations"], _drift(now["drift"])],
    }
    return _markdown("Model card", sections)


def data_sheet(submission: Submission) -> str:
    """The data sheet as Markdown."""
    words, counts = _Words(submission), submission.settings.get("rows", {})
    removed = counts.get("removed", {})
    sections = {
        "Motivation": [words["purpose"]],
        "Composition": [_composition(submission)],
        "Collection process": [words["origin"], f"People: {words['people']}"],
        "Preprocessing": [
            f"{counts.get('read', MISSING)} rows were read. Removed: "
            f"{', '.join(f'{number} ({reason})' for reason, number in removed.items()) or 'none'}.",
            f"Rows of one {submission.settings['source']} are in one part."
            if submission.settings.get("source")
            else words["independence"],
        ],
        "Uses": [f"Not intended: {words['out_of_scope']}"],
        "Distribution": [f"Licence: {words['licence']}"],
        "Maintenance": [words["maintenance"]],
    }
    return _markdown("Data sheet", sections)


def documents(submission: Submission) -> str:
    """Card and sheet are what the code writes from the measured values."""
    fresh = {
        CARD: model_card(submission, measures.measured(submission)),
        SHEET: data_sheet(submission),
    }
    for name, now in fresh.items():
        path = submission.folder / name
        if not path.is_file():
            raise Failed(f"there is no {name}")
        line = different_line(path.read_text(encoding="utf-8"), now)
        if line is not None:
            raise Failed(f"{name} says {line[:80]!r}, which is not what is measured")
    return "every number in card and sheet is measured again and agrees"


class _Words(dict):
    """The learner's sentences; one that is missing is a placeholder."""

    def __init__(self, submission: Submission) -> None:
        super().__init__(submission.settings.get("words", {}))

    def __missing__(self, name: str) -> str:
        return f"{MISSING} {name}"


def _accuracy(now: Mapping[str, Any]) -> str:
    seeds = now["seeds"]
    deviation = "unknown" if seeds["deviation"] is None else f"{seeds['deviation']:.3f}"
    return (
        f"Test accuracy {_share(now['accuracy'])}. Over {seeds['runs']} seeds: mean "
        f"{seeds['mean']:.3f}, standard deviation {deviation}, from {seeds['lowest']:.3f} to "
        f"{seeds['highest']:.3f}. The validation rows chose run {now['served']}."
    )


def _threshold(threshold: Mapping[str, Any]) -> str:
    answered = threshold["accuracy"]
    accuracy = f"with accuracy {_share(answered)}" if answered else "none of them"
    return (
        f"Below a confidence of {threshold['value']:.3f}, chosen on validation rows for an "
        f"accuracy of {threshold['target']:.2f}, a text goes to a person: of the test rows "
        f"{threshold['answered']['value']:.3f} are answered, {accuracy}."
    )


def _calibration(now: Mapping[str, Any]) -> str:
    calibration = now["calibration"]
    return (
        f"Calibration error {calibration['error']:.3f}; a calibrated model stays below "
        f"{calibration['null']:.3f} in 95 % of samples: {calibration['verdict']}."
    )


def _baselines(baselines: Mapping[str, Any]) -> str:
    lines = [
        f"| {name} | {gain['accuracy']:.3f} | {gain['gain_value']:.3f} "
        f"({gain['gain_low']:.3f} to {gain['gain_high']:.3f}) | {gain['verdict']} |"
        for name, gain in baselines.items()
    ]
    return "\n".join(["| baseline | accuracy | gain | verdict |", "|---|---|---|---|", *lines])


def _slices(slices: Mapping[str, Any]) -> str:
    lines = [
        f"| {name}: {value} | {part['rows']} | {_share(part, rows=False)} |"
        for name, group in slices.items()
        for value, part in group.items()
    ]
    return "\n".join(["| slice | rows | accuracy |", "|---|---|---|", *lines])


def _drift(drift: Mapping[str, Any]) -> str:
    shares = ", ".join(f"{label} {value:.3f}" for label, value in drift["shares"].items())
    middle = drift["confidence_deciles"][5]
    return f"Compare later traffic with: {shares}; median confidence {middle:.3f}."


def _composition(submission: Submission) -> str:
    target, lines = submission.task.target, []
    for part in PARTS:
        rows = submission.parts[part]
        counts = Counter(rows[target])
        names = rows.features[target].names
        listed = ", ".join(f"{counts[number]} {name}" for number, name in enumerate(names))
        lines.append(f"| {part} | {len(rows)} | {listed} |")
    return "\n".join(["| part | rows | labels |", "|---|---|---|", *lines])


def _share(part: Mapping[str, Any], *, rows: bool = True) -> str:
    of = f" on {part['rows']} rows" if rows else ""
    return f"{part['value']:.3f} [{part['low']:.3f}, {part['high']:.3f}]{of}"


def _listed(labels: tuple[str, ...]) -> str:
    return ", ".join(labels)


def _markdown(title: str, sections: Mapping[str, list[str]]) -> str:
    blocks = [f"# {title}"]
    for name, texts in sections.items():
        blocks += [f"## {name}", *texts]
    return "\n\n".join(blocks) + "\n"
