"""The task of a plan: made from its settings and its training rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from datasets import ClassLabel

from ftlearn import tasks
from ftlearn.errors import ArgumentError
from ftlearn.tasks import Chat, Task
from ftlearn.workflows.joint_parts import read_joint_parts
from ftlearn.workflows.plan import LABEL_KINDS, Plan
from ftlearn.workflows.splits import Parts, read_parts
from ftlearn.workflows.text_splits import read_text_parts


def read(plan: Plan) -> tuple[Parts, Task]:
    """The rows by part, and the task; of classes and numbers, as the training rows make it."""
    files = plan.files
    if files.task == "joint":
        return read_joint_parts(
            files, plan.joint, max_length=plan.max_length, seed=plan.config.seed
        )
    if files.task not in LABEL_KINDS:
        task = _text_task(plan)
        return read_text_parts(files, task, seed=plan.config.seed), task
    parts = read_parts(files, seed=plan.config.seed)
    label = parts.data["train"].features[files.label]
    make = tasks.classification if isinstance(label, ClassLabel) else tasks.regression
    if files.task == "ordinal":
        make = _ordinal(plan)
    text = files.text[0] if len(files.text) == 1 else files.text
    return parts, make(parts.data, text=text, target=files.label, max_length=plan.max_length)


def _ordinal(plan: Plan) -> Callable[..., Task]:
    """``tasks.ordinal`` with the settings of a plan."""
    return partial(
        tasks.ordinal,
        levels=plan.files.levels or None,
        loss=plan.loss or "coral",
        decode=plan.decode or "median",
    )


def _text_task(plan: Plan) -> Task:
    """The task of a plan whose settings say all of it."""
    first, *others = plan.files.text
    length = plan.max_length
    if plan.files.task == "chat":
        source = plan.template_source()
        return tasks.chat(messages=first, system=plan.system, template=source, max_length=length)
    if plan.files.task in ("preference", "reward"):
        return _preference(plan)
    if plan.files.task == "ranking":
        return tasks.ranking(text=plan.files.text, max_length=length)
    if plan.files.task == "completion":
        return tasks.completion(prompt=first, answer=plan.files.label, max_length=length)
    if plan.files.task == "language-modelling":
        return tasks.language_modelling(text=first, max_length=length)
    return tasks.question_answering(
        question=first,
        context=others[0],
        answers=plan.files.label,
        max_length=length,
        stride=length // 3,
    )


def _preference(plan: Plan) -> Task:
    """The task of a plan on pairs of answers."""
    prompt, chosen = plan.files.text
    columns = {"prompt": prompt, "chosen": chosen, "rejected": plan.files.label}
    if plan.files.task == "reward":
        return tasks.preference(**columns, loss="bradley-terry", max_length=plan.max_length)
    if plan.loss == "bradley-terry":
        raise ArgumentError("loss is 'bradley-terry', which trains a reward model: task='reward'")
    return tasks.preference(
        **columns,
        loss=plan.loss or "dpo",
        beta=plan.beta,
        max_length=plan.max_length,
        system=plan.system,
        template=plan.template_source(),
    )


def use_template(task: Task, tokenizer: Any) -> None:
    """Give the tokenizer the chat template of the task, so that generation reads as training did.

    Does nothing for tasks that are no chats.
    """
    if isinstance(task, Chat):
        tokenizer.chat_template = task.template_for(tokenizer)


def described(task: Task) -> str:
    """What the task reads and what it learns, in a line.

    >>> described(tasks.completion())
    'prompt → answer, a text'
    """
    if isinstance(task, tasks.Preference | tasks.RewardModelling):
        learnt = getattr(task, "objective", "a score of answers")
        return f"{task.text[0]!s} → {task.text[1]!s} rather than {task.target!s}, {learnt}"
    if isinstance(task, Chat):
        return f"{task.text!s} → what the assistant says in them"
    if isinstance(task, tasks.Ranking):
        return f"{task.text[0]!s} → {task.text[1]!s}, its rank among all items"
    if isinstance(task, tasks.Joint):
        return "; ".join(described(task.task(name)) for name in task.names)
    columns = [name for name in task.text_columns if name != task.target]
    both = f"{' and '.join(columns)} → {task.target}"
    labels = getattr(task, "labels", None)
    if isinstance(task, tasks.Ordinal):
        levels = _few(labels, " < ")
        return f"{both!s}, one of {len(labels)} levels ({levels!s}), {task.objective!s}"
    if labels:
        return f"{both!s}, one of {len(labels)} labels ({_few(labels)!s})"
    if isinstance(task, tasks.Regression):
        return f"{both!s}, a number"
    if isinstance(task, tasks.QuestionAnswering):
        return f"{both!s}, a passage of the text, or none"
    return f"{both!s}, a text" if columns else f"{task.target!s}, token by token"


def _few(labels: tuple[str, ...], separator: str = ", ", most: int = 8) -> str:
    return separator.join(labels[:most]) + (f"{separator}..." if len(labels) > most else "")
