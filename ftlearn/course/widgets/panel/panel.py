"""The panel itself: it begins runs in a thread of their own and paints what the record says."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import ipywidgets

from ftlearn.config import TrainConfig
from ftlearn.course.widgets.panel import words
from ftlearn.course.widgets.panel.curves import Curves
from ftlearn.course.widgets.panel.form import STYLE, WIDE, Form, button, keep_reachable, row
from ftlearn.errors import ExistsError
from ftlearn.experiments import Control, Record, Workbench, threads
from ftlearn.markup import tag
from ftlearn.runtime.files import unused, write_text

SECONDS = 0.2
"""From one painting to the next."""
BEGINNING = ("the beginning", None)


def training_panel(
    bench: Workbench,
    config: TrainConfig | None = None,
    *,
    rows: Sequence[int] = (),
    checkpoints: Sequence[str] = ("minilm",),
    every: int | None = None,
    **choices: Sequence[Any],
) -> TrainingPanel:
    """A panel over a workbench: settings, Run, Pause, Stop, rewinding, and curves of all runs.

    The first of ``rows`` and ``checkpoints`` is chosen at the start; without ``rows`` there are
    some sizes to choose from. Other keywords replace the values of a setting:
    ``learning_rate=[1e-3, 1e-4]``. ``panel.run_now()`` presses Run and waits for the end.
    """
    whole = len(bench.replay.data["train"])
    sizes = [bench.replay.check_rows(size) for size in rows]
    sizes = sizes or [whole, *(size for size in (24, 48, 96, 192, 384, 768) if size < whole)]
    form = Form(
        config or TrainConfig(), rows=sizes, checkpoints=checkpoints, every=every, choices=choices
    )
    return TrainingPanel(bench, form)


class TrainingPanel(ipywidgets.VBox):
    """What ``training_panel`` makes. All it knows of runs is in the workbench."""

    def __init__(self, bench: Workbench, form: Form) -> None:
        self.bench, self.form, self.curves = bench, form, Curves(bench.monitor)
        wide, slim = ({"style": STYLE, "layout": each} for each in ({"width": "34.5em"}, WIDE))
        self._offered = bench.free_name()
        self.name = ipywidgets.Text(value=self._offered, description="name", **slim)
        self.rewind = ipywidgets.Dropdown(options=[BEGINNING], description="start from", **wide)
        self.chosen = ipywidgets.Dropdown(options=list(bench.records), description="run", **slim)
        self.buttons = {
            "run": button("Run", self.start, "success"),
            "pause": button("Pause", self.pause),
            "stop": button("Stop", self.stop, "danger"),
            "code": button("Show code", self.show_code),
            "csv": button("Save as CSV", self.save_csv),
        }
        texts = ("call", "status", "progress", "drawing", "table", "listing")
        self.texts = {name: ipywidgets.HTML() for name in texts}
        self._worker = self._painter = None
        super().__init__(children=self._laid_out())
        for control in (*form.controls, self.name, self.rewind):
            control.observe(self._show_call, names="value")
        self.rewind.observe(self._rewound, names="value")
        self.say("Choose settings and press Run.")
        self.refresh()
        bench.watchers.append(self.refresh)

    def start(self) -> Record | None:
        """Begin a run with the settings shown; None, and a reason in the status, if impossible."""
        if self.bench.current is not None:
            self.say(f"{self.bench.current.name} is training: stop it first, or wait for its end.")
            return None
        try:
            run = self._begin()
        except (KeyError, ValueError) as error:
            self.say(str(error.args[0]))
            return None
        control = Control()
        self._worker = threads.started(self._train, run, control)
        self._painter = threads.started(self._paint, run, control, self._worker)
        return run

    def run_now(self) -> Record:
        """Press Run and wait for the end, so that the next cell finds the run finished.

        Raises ValueError where the run cannot begin. An interrupt stops the run.
        """
        run = self.start()
        if run is None:
            raise ValueError(self.said)
        try:
            self._painter.join()
        except KeyboardInterrupt:
            self.stop()
            self._painter.join()
        return run

    def pause(self) -> None:
        """Pause the run at work, or let it go on."""
        control = self.bench.control
        if self.bench.current is None:
            self.say("Nothing is training.")
        elif control.paused:
            control.resume()
        else:
            control.pause()

    def stop(self) -> None:
        """Stop the run at work after its update."""
        if self.bench.current is None:
            self.say("Nothing is training.")
        else:
            self.bench.control.stop()
            self.say(f"{self.bench.current.name} stops after this update.")

    def show_code(self) -> None:
        """Show the code of the chosen run, and write it beside the run."""
        name = self.chosen.value
        if name is None:
            self.say("There is no run yet.")
            return
        code = self.bench.code(name)
        self.texts["listing"].value = tag("pre", code, tabindex=0, aria_label=f"code of {name}")
        file = self.bench.folder / name / "run.py"
        if file.exists() and file.read_text(encoding="utf-8") != code:
            file = unused(file)  # the learner may have changed the first one
        write_text(file, code)
        self.say(f"The code of {name} is below, and in {name}/{file.name} of the runs' folder.")

    def save_csv(self) -> None:
        """Write the numbers of all runs as CSV."""
        try:
            file = self.bench.to_csv()
        except ExistsError as error:
            self.say(str(error))
        else:
            self.say(f"Every number of {len(self.bench.records)} runs is in {file.name}.")

    def say(self, text: str) -> None:
        """Put a sentence into the status line."""
        self.said = text
        self.texts["status"].value = words.status(text)

    def refresh(self) -> None:
        """Paint everything that the workbench holds, and offer its evaluations for rewinding."""
        records = self.bench.records
        before = self.rewind.value
        self.rewind.unobserve(self._rewound, names="value")  # new options reset it for a moment
        self.rewind.options = [BEGINNING, *words.places(records.values(), self.bench.monitor)]
        self.rewind.value = before
        self.rewind.observe(self._rewound, names="value")
        self.chosen.options = list(records)
        self.chosen.value = next(reversed(records), None)
        self._offer_name(self._offered, *records)
        self._show_call()
        self._draw()
        self.texts["table"].value = words.table(self.bench.compare())

    def _begin(self) -> Record:
        self._offer_name(self._offered)
        form, name = self.form, self.name.value.strip()
        if self.rewind.value is None:
            how = {"checkpoint": form.checkpoint.value, "every": form.every.value}
            return self.bench.begin(name, form.config(), rows=form.rows.value, **how)
        parent, at = self.rewind.value
        return self.bench.begin_branch(parent, at, name, **self._changes(parent, at))

    def _offer_name(self, *used: str) -> None:
        """A free name in place of a used one; a name of the learner's own stays."""
        if self.name.value in used:
            self.name.value = self._offered = self.bench.free_name()

    def _changes(self, parent: str, at: int) -> dict[str, Any]:
        before = self.bench[parent].stages_until(at)[-1].config
        return words.changes(before, self.form.config())

    def _train(self, run: Record, control: Control) -> None:
        try:
            self.bench.train(run, control)
        except (OSError, RuntimeError) as error:  # the folder is gone; another run was faster
            self.say(f"{run.name} was not trained. {error}")

    def _paint(self, run: Record, control: Control, worker: threading.Thread) -> None:
        """Paint what the record says until the run has ended, and once more then."""
        said = None
        while worker.is_alive():
            worker.join(SECONDS)
            now = words.event(run, self.bench.monitor, paused=control.paused)
            if now != said and not control.stopped and worker.is_alive():
                self.say(now)
                said = now
            self._name_pause("Resume" if control.paused else "Pause")
            self.texts["progress"].value = words.progress(run)
            self._draw()
            keep_reachable(self.buttons["pause"], self.buttons["stop"])
        self._name_pause("Pause")
        if run.name in self.bench.records:
            self.say(words.event(run, self.bench.monitor, paused=False))
        self.texts["progress"].value = words.progress(run)

    def _draw(self) -> None:
        self.texts["drawing"].value = self.curves.svg(list(self.bench.records.values()))

    def _name_pause(self, name: str) -> None:
        if self.buttons["pause"].description != name:
            self.buttons["pause"].description = name

    def _rewound(self, change: Any) -> None:
        """Show the settings that led to the chosen evaluation, to be changed or not."""
        self.form.fix(change["new"] is not None)
        self.buttons["run"].description = "Run" if change["new"] is None else "Branch"
        if change["new"] is None:
            self.say("The next run starts from the beginning.")
            return
        parent, at = change["new"]
        self.form.show(self.bench[parent].stages_until(at)[-1].config)
        self.say(f"Back at update {at} of {parent}. Change settings, then press Branch.")

    def _show_call(self, change: Any = None) -> None:
        """The call that does what Run would do."""
        form, name = self.form, self.name.value.strip()
        try:
            if self.rewind.value is None:
                how = {"rows": form.rows.value, "checkpoint": form.checkpoint.value}
                call = words.run_call(name, form.config(), every=form.every.value, **how)
            else:
                parent, at = self.rewind.value
                call = words.branch_call(parent, at, name, self._changes(parent, at))
        except ValueError as error:
            call = f"# {error}"
        self.texts["call"].value = tag("p", "The same as code: ", tag("code", call))

    def _laid_out(self) -> list[ipywidgets.Widget]:
        buttons, texts = self.buttons, self.texts
        return [
            row(*self.form.controls),
            row(self.rewind, self.name),
            row(buttons["run"], buttons["pause"], buttons["stop"]),
            texts["call"],
            texts["status"],
            texts["progress"],
            texts["drawing"],
            texts["table"],
            row(self.chosen, buttons["code"], buttons["csv"]),
            texts["listing"],
        ]
