"""The settings of a run: which files, which model, how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ftlearn.config import TrainConfig
from ftlearn.data.errors import close_match
from ftlearn.errors import ArgumentError
from ftlearn.models.pooling import POOLINGS
from ftlearn.runtime.arguments import whole_number
from ftlearn.runtime.files import sha256
from ftlearn.workflows.joint_settings import JointSettings
from ftlearn.workflows.plan_checks import check_adapter, check_device

LABEL_KINDS = {
    "auto": "auto",
    "classification": "class",
    "regression": "number",
    "ordinal": "class",
    "pair": "auto",
}
"""The kind of label column, in the words of ``data.read``, for each task with labels."""


class Defaults(NamedTuple):
    """What a task reads and starts from unless told otherwise."""

    text: tuple[str, ...] = ("text",)
    label: str = "label"
    checkpoint: str = "minilm"
    max_length: int = 128


TASKS = {
    **dict.fromkeys(LABEL_KINDS, Defaults()),
    "pair": Defaults(("text", "text_pair")),
    "joint": Defaults(label=""),
    "ranking": Defaults(("query", "item"), ""),
    "question-answering": Defaults(("question", "context"), "answers", max_length=384),
    "chat": Defaults(("messages",), "messages", "smollm2", 512),
    "completion": Defaults(("prompt",), "answer", "smollm2", 256),
    "language-modelling": Defaults(("text",), "text", "smollm2"),
    "preference": Defaults(("prompt", "chosen"), "rejected", "smollm2", 512),
    "reward": Defaults(("prompt", "chosen"), "rejected", max_length=256),
}
"""All tasks that ``fit`` knows."""
WRITING = ("chat", "completion", "language-modelling", "preference")
"""Those whose model writes texts."""
SETTINGS_OF = {
    "system": ("chat", "preference"),
    "template": ("chat", "preference"),
    "loss": ("preference", "ordinal"),
    "beta": ("preference",),
    "decode": ("ordinal",),
}
"""Settings of a plan that some tasks alone have."""
LEAST = {"max_length": 8, "patience": 1, "lora": 1, "lora_layers": 1, "virtual_tokens": 1}
"""The smallest values of settings that are whole numbers."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the rows are and how to read them; see ``data.read``.

    text        the text column, or two for a pair of texts; by default those of the task
    label       the column with what is to be learned
    valid, test  files for validation and test; their rows with a label that ``train`` does not
                have are refused. Where one is missing, a tenth of ``train`` takes its place
    task        classification, regression, or auto: what the labels look like; ordinal, levels
                in an order; pair, a label or number of two texts; joint, several columns of them;
                ranking, a text and its item; or question-answering, chat, completion,
                language-modelling, preference, reward
    labels      for joint, the columns with what is to be learned, two or more
    levels      for ordinal, the labels from the lowest to the highest where they are no numbers
    drop_rare   labels with fewer rows than this in ``train`` are left out, in all files

    >>> Files(train="notes.csv", task="clasification")
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: unknown task 'clasification': use auto, classification,
    regression, ordinal, pair, joint, ranking, question-answering, chat, completion,
    language-modelling, preference, reward. Did you mean 'classification'?
    """

    train: str | Path
    valid: str | Path | None = None
    test: str | Path | None = None
    text: tuple[str, ...] = ()
    label: str | None = None
    task: str = "auto"
    labels: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None
    quoting: str = "auto"
    drop_rare: int = 0

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            hint = close_match(self.task, TASKS)
            raise ArgumentError(f"unknown task {self.task!r}: use {', '.join(TASKS)}.{hint}")
        usual = TASKS[self.task]
        text = (self.text,) if isinstance(self.text, str) else tuple(self.text)
        object.__setattr__(self, "text", text or usual.text)
        object.__setattr__(self, "label", self.label or usual.label)
        if not usual.label and self.label:
            raise ArgumentError(
                f"label is {self.label!r}, and {self.task} has no label: leave it out"
            )
        self._check_labels()
        free = self.task in (*LABEL_KINDS, "joint") and self.task != "pair"  # one text, or two
        if not free and len(self.text) != len(usual.text):
            raise ArgumentError(
                f"{self.task} reads {' and '.join(usual.text)}: name {len(usual.text)} columns as "
                f"text, not {', '.join(self.text)}"
            )
        object.__setattr__(self, "levels", tuple(map(str, self.levels)))
        if self.levels and self.task != "ordinal":
            raise ArgumentError(f"levels are for ordinal, and the task is {self.task}")
        if self.drop_rare < 0:
            raise ArgumentError(f"drop_rare is {self.drop_rare}: it must be a number of rows")
        if self.drop_rare and self.task not in LABEL_KINDS:
            raise ArgumentError(f"drop_rare is for tasks with labels, and the task is {self.task}")

    def _check_labels(self) -> None:
        """Raise ArgumentError unless ``labels`` are several different columns, for joint alone."""
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.labels and self.task != "joint":
            raise ArgumentError(f"labels are for joint, and the task is {self.task}: use `label`")
        if self.task == "joint" and len(self.labels) < 2:
            raise ArgumentError("joint learns several columns: name two or more as `labels`")
        repeated = [name for name in self.labels if self.labels.count(name) > 1]
        if repeated:
            raise ArgumentError(f"`labels` name {repeated[0]!r} twice: name each column once")

    @property
    def paths(self) -> dict[str, Path]:
        """The files by part: train, and valid and test where there are such files."""
        files = {"train": self.train, "valid": self.valid, "test": self.test}
        return {part: Path(file) for part, file in files.items() if file is not None}

    @property
    def reading(self) -> dict[str, Any]:
        """How the files are read, as ``data.read`` takes it."""
        return {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "quoting": self.quoting,
        }

    def sha256(self) -> dict[str, str]:
        """The fingerprint of each file, by part."""
        return {part: sha256(path) for part, path in self.paths.items()}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run of ``fit``.

    out         the folder for everything that is written
    checkpoint  the pretrained model: a name or a folder, as ``models.load`` takes it; by default
                minilm, and smollm2 for tasks whose model writes
    pooling     pretrained, mean or cls; only with pretrained can transformers.pipeline open
                the saved model
    max_length  tokens read of each text; the rest is cut. By default that of the task
    system      for chat and preference, the system prompt of conversations that have none
    template    for them, a file with a Jinja template in place of the model's own
    loss, beta  for preference, as ``tasks.preference`` takes them; by default dpo
    loss, decode  for ordinal, as ``tasks.ordinal`` takes them; by default coral and median
    adapter     the method of an adapter that is trained in place of the weights, one of
                ``models.METHODS``; None for none, or lora where its rank is given
    lora        the rank of a lora, rslora, dora or pissa; by default 8
    lora_layers the number of top layers that get adapters; None for all
    virtual_tokens  the number of learned tokens of a prefix or prompt; by default 16
    joint       for joint, how the columns are weighed, drawn and read
    patience    evaluations without improvement before training stops early; None never stops
    activation_checkpointing  compute layers again in the backward pass; the result is the same
    shard       under ``torchrun``, shard the weights over the devices instead of copying them

    >>> Plan(files=Files(train="notes.csv"), out="run", pooling="max")
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: unknown pooling 'max': use pretrained, mean, cls
    """

    files: Files
    out: str | Path
    checkpoint: str | Path | None = None
    pooling: str = "pretrained"
    max_length: int | None = None
    system: str | None = None
    template: str | Path | None = None
    loss: str | None = None
    beta: float | None = None
    decode: str | None = None
    adapter: str | None = None
    lora: int | None = None
    lora_layers: int | None = None
    virtual_tokens: int | None = None
    joint: JointSettings = field(default_factory=JointSettings)
    patience: int | None = None
    device: str | None = None
    activation_checkpointing: bool = False
    shard: bool = False
    config: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if self.pooling not in ("pretrained", *POOLINGS):
            raise ArgumentError(
                f"unknown pooling {self.pooling!r}: use pretrained, {', '.join(POOLINGS)}"
            )
        usual = TASKS[self.files.task]
        for name in ("checkpoint", "max_length"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(usual, name))
        for name, allowed in SETTINGS_OF.items():
            if getattr(self, name) is not None and self.files.task not in allowed:
                raise ArgumentError(
                    f"{name} is for {' and '.join(allowed)}, and the task is {self.files.task}"
                )
        if self.lora_layers is not None and self.method is None:
            raise ArgumentError("lora_layers needs lora, the rank of the adapters, such as 8")
        check_adapter(self.method, self.lora, self.lora_layers, self.virtual_tokens)
        self.joint.check(self.files.task, self.files.labels)
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, whole_number(name, value, least))
        check_device(self.device)

    @property
    def method(self) -> str | None:
        """The method of the adapter that is trained; None where the weights themselves are."""
        return self.adapter or (None if self.lora is None else "lora")

    def template_source(self) -> str | None:
        """The content of the template's file, if there is one."""
        return None if self.template is None else Path(self.template).read_text(encoding="utf-8")

    def settings(self) -> dict[str, Any]:
        """Everything that decides what the run learns, as one flat mapping for JSON."""
        files = self.files
        return {
            "checkpoint": str(self.checkpoint),
            "task": files.task,
            "text": list(files.text),
            "label": files.label,
            "labels": list(files.labels) or None,
            "levels": list(files.levels) or None,
            "pooling": self.pooling,
            "max_length": self.max_length,
            "system": self.system,
            "template": self.template_source(),
            "loss": self.loss,
            "beta": self.beta,
            "decode": self.decode,
            "adapter": self.adapter,
            "lora": self.lora,
            "lora_layers": self.lora_layers,
            "virtual_tokens": self.virtual_tokens,
            **(self.joint.record() if files.task == "joint" else {}),
            "patience": self.patience,
            **files.reading,
            "drop_rare": files.drop_rare,
            **asdict(self.config),
        }
