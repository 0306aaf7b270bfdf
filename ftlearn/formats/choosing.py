"""The fastest format here that answers as fp32 does: measured once, and cached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ftlearn.errors import FtlearnError
from ftlearn.evaluation import predicting
from ftlearn.fast.autotune.cache import conditions
from ftlearn.fast.autotune.measuring import in_turn
from ftlearn.formats import manifest
from ftlearn.formats.comparing import Loaded, Parity, compared, outputs_of
from ftlearn.formats.loading import export_folder, load
from ftlearn.formats.names import BF16, FP32, INT8, ONNX, FormatError, missing
from ftlearn.runtime.arguments import number
from ftlearn.runtime.files import sha256, write_json
from ftlearn.runtime.user_cache import cache_folder
from ftlearn.runtime.versions import version

ORDER = (FP32, ONNX, BF16, INT8)
"""From the format that rounds least to the one that rounds most."""
GAIN = 1.1
"""How many times faster a format must be than one that rounds less: below that it is noise."""
LEAST = 0.999
TEXTS, TIMED = 512, 64
"""The most texts that are compared, and that are timed."""
SECONDS = 2.0
"""How long the formats are timed in turn; at least one round."""

Runs = Mapping[str, Callable[[], Any]]
Measure = Callable[[Runs], Mapping[str, float]]
"""From a function per format to its seconds."""


class Trial(NamedTuple):
    """A format that was tried: its speed, and its parity with fp32."""

    name: str
    texts_per_second: float
    parity: Parity


@dataclass(frozen=True)
class Choice:
    """The format to use, what was measured of all, and what was left out and why."""

    name: str
    trials: tuple[Trial, ...]
    least: float
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"fastest format: {self.name!s}"]
        for trial in self.trials:
            rate = trial.texts_per_second
            if trial.parity.share >= self.least:
                lines.append(f"  {trial.name!s}: {rate:.1f} texts/s, {trial.parity}")
            else:
                lines.append(
                    f"  {trial.name!s}: {rate:.1f} texts/s, {trial.parity}, below "
                    f"{self.least:g}: refused"
                )
        return "\n".join([*lines, *(f"  {reason}" for reason in self.left_out)])


def fastest(
    folder: str | Path,
    texts: Sequence[Any],
    *,
    parity: float = LEAST,
    device: torch.device | str | None = None,
    measure: Measure | None = None,
    again: bool = False,
) -> Choice:
    """The fastest format of a run that gives at least this share of fp32's answers.

    fp32 and bf16 are tried, and of the exports in the run onnx and int8, on up to 512 of the texts,
    evenly spaced; their speed on up to 64. A format must be faster by a tenth than one that rounds
    less. The trials are cached per machine, number of threads, libraries, weights, exports and
    texts; what else the machine was doing at the time is not in it, and ``again`` measures anew.
    ``measure`` takes a function per format and gives the seconds of each; by default they run in
    turn, each is warmed up, and the shortest time counts.

    Raises FormatError as ``load``, and for an export as a folder, which has one format.
    """
    least = number("parity", parity, 0.0, 1.0)
    if manifest.is_exported(folder):
        raise FormatError(
            f"{folder} is an export, which has one format: give the folder of the run"
        )
    texts = _spaced(texts, TEXTS)
    loaded = {FP32: load(folder, FP32, device)}
    loaded[BF16] = load(folder, BF16, device)
    left_out = _add_exports(Path(folder), loaded)
    path = cache_folder() / f"formats-{_digest(Path(folder), loaded, texts)}.json"
    trials = None if again else _read(path)
    if trials is None:
        trials = _trials(loaded, texts, measure or partial(in_turn, seconds=SECONDS))
        _write(path, trials)
    return Choice(chosen(trials, least), tuple(trials), least, tuple(left_out))


def chosen(trials: Sequence[Trial], least: float) -> str:
    """The name of the fastest format among those with this share of equal answers.

    >>> same, other = Parity(9, 9, 0.0, "probability"), Parity(8, 9, 0.1, "probability")
    >>> trials = [Trial("fp32", 10, same), Trial("onnx", 14, same), Trial("int8", 30, other)]
    >>> chosen(trials, 0.999), chosen(trials, 0.8)
    ('onnx', 'int8')
    """
    best = trials[0]
    for trial in trials[1:]:
        if trial.parity.share >= least and trial.texts_per_second > GAIN * best.texts_per_second:
            best = trial
    return best.name


def _spaced(texts: Sequence[Any], count: int) -> list[Any]:
    """Up to ``count`` of the texts, evenly spaced.

    >>> _spaced("abcdef", 3)
    ['a', 'c', 'e']
    """
    texts = list(texts)
    return (
        texts if len(texts) <= count else [texts[at * len(texts) // count] for at in range(count)]
    )


def _add_exports(folder: Path, loaded: dict[str, Loaded]) -> list[str]:
    """Add the exports of a run that can be used here; returns why others are left out."""
    reasons = []
    on_cpu = loaded[FP32][0].place.device.type == "cpu"
    for name in (ONNX, INT8):
        if not on_cpu:
            reasons.append(f"{name}: left out, it is computed on the CPU")
        elif not manifest.is_exported(export_folder(folder, name)):
            reasons.append(f"{name}: left out, `ftlearn export {folder} --format {name}` makes it")
        elif missing(name):
            reasons.append(f"{name}: left out, {' and '.join(missing(name))} is not installed")
        else:
            try:
                loaded[name] = load(folder, name)
            except FtlearnError as error:
                reasons.append(f"{name}: left out, {error}")
    return reasons


def _trials(loaded: Mapping[str, Loaded], texts: list[Any], measure: Measure) -> list[Trial]:
    """The speed and the parity of each format, in the order of ``ORDER``."""
    names = [name for name in ORDER if name in loaded]
    timed = _spaced(texts, TIMED)
    runs = {name: partial(_run, loaded[name], timed) for name in names}
    seconds = measure(runs)
    source = outputs_of(loaded[FP32], texts)
    task = loaded[FP32][2]
    trials = []
    for name in names:
        outputs = source if name == FP32 else outputs_of(loaded[name], texts)
        result = compared(task, source, outputs, texts)
        trials.append(Trial(name, len(timed) / seconds[name], result))
    return trials


def _run(loaded: Loaded, texts: Sequence[Any]) -> None:
    """Predict texts, from strings to outputs."""
    model, tokenizer, task = loaded
    encoded = replace(task, truncation="silent").encode_texts(texts, tokenizer)
    predicting.outputs(model, encoded, task, tokenizer)


def _digest(folder: Path, loaded: Mapping[str, Loaded], texts: Sequence[Any]) -> str:
    """What the trials depend on, as a name for a file."""
    model, _, task = loaded[FP32]
    exports = [
        sha256(export_folder(folder, name) / manifest.MANIFEST)
        for name in (ONNX, INT8)
        if name in loaded
    ]
    content = [conditions(), version("onnxruntime"), str(model.place.device)]
    content += [model.fingerprint, exports, repr(task), list(texts)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _read(path: Path) -> list[Trial] | None:
    """Trials from a file; None where there is none, or it is damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["trials"]
        return [
            Trial(row["name"], float(row["texts_per_second"]), Parity.of_record(row["parity"]))
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, trials: Sequence[Trial]) -> None:
    rows = [{**trial._asdict(), "parity": trial.parity.record()} for trial in trials]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"trials": rows})
