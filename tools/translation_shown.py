"""Texts in the outputs of lessons that no code of a cell holds: the package composes them.

`translation_sources` finds texts in code. Heads of tables and printed lines that come from a
function of the package, or that are a number beside a name, are named here, lesson by lesson: as
texts of one lesson, so that a single word such as "note" does not translate data in the others.
"""

from __future__ import annotations

OF_LESSONS = {
    "00": (
        "ok   libraries: {libraries_as_is}",
        "ok   device: {device_as_is}, {count} threads",
        "ok   arithmetic: trains in {training_as_is}; predicts in {prediction_as_is} (the fastest "
        "for minilm here, kept in {folder_as_is})",
        "ok   memory: {memory}",
        "ok   can train: {models}; in batches of {count} texts of {length} tokens",
        "{model} (needs {memory})",
        "ok   free disk: {disk}",
        "ok   offline model: minilm is here, no network needed",
        "ok   offline language model: smollm2 is here, no network needed",
    ),
    "02": ("first", "third"),
    "03": (
        *("piece", "note", "special", "unknown", "reason", "before", "after"),
        *("mean", "min", "max", "{total} delivered", "{total} in the set"),
        "{path_as_is}: {rows} rows read ({encoding_as_is}, delimiter {sign_as_is}), "
        "{refused} refused",
        "line {number}: {column_as_is} is empty",
        "line {number}: {count} fields where the header has {width}",
    ),
    "04": (
        *("trainable", "head", "memory", "size"),
        "{memory} (weights {weights}, gradients {gradients}, optimizer {optimizer}, "
        "activations {activations}, working {working}), {operations} per update",
        "this run needs {needed} and the machine has {free} free: cut the batch into {count} "
        "micro-",
        "batches with {setting_as_is}",
        "this run needs {needed} and the machine has {free} free: freeze the body",
        "({call_as_is}) or keep fewer layers",
    ),
    "05": (
        *("padding", "value", "proportion", "run", "beginning", "validation; thin: training"),
        *("run {number}", "run {number}, update {update}"),
        "training diverged at update {number} of {total}, learning rate {rate}",
        "rank {rank}: {rows} of {count} rows, gradient norm {norm}",
    ),
    "06": ("value", "f1", "loss", "macro", "mse", "pearson", "spearman"),
    "07": ("state", "complete"),
    "14": ("f1",),
    "15": ("difference",),
    "19": ("pretrained, B = 0", "peft, by hand", "by hand, merged", "chosen"),
    "20": (
        *("stars, aspect", "sd, fresh", "sd, first"),
        *("joint − topic alone", "added − topic alone"),
        *("joint − register alone", "added − register alone"),
    ),
    "21": (
        *("means", "self-train, 1 per topic", "self-train, 4 per topic"),
        "self-train, 16 per topic",
    ),
    "22": ("pairs",),
    "23": ("fits", "yes", "no"),
    "24": (
        "{export_as_is}: {equal} of {rows} answers equal ({percent}, with 95 % confidence at least "
        "{percent2}), largest difference {difference} ({unit})",
        *("probability", "texts_per_second"),
    ),
    "25": (
        *("; ", "chosen", "most frequent label", "word counts (TF-IDF)"),
        *("against most frequent label", "against word counts (TF-IDF)"),
        *("Metrics", "the certificate holds"),
        "{part} row {row} and {part2} row {row2}",
        "| most frequent label | {accuracy} | {gain} ({low} to {high}) | {verdict} |",
        "| word counts (TF-IDF) | {accuracy} | {gain} ({low} to {high}) | {verdict} |",
    ),
}
"""The texts by the numbers of lessons; one with a field in braces is a pattern."""
