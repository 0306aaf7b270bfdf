"""The panel itself: it trains runs in a background thread and shows their records."""

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

REFRESH_SECONDS = 0.2
"""The time between two updates of the display."""
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

    The first of ``rows`` and ``checkpoints`` is selected at the start; without ``rows`` the panel
    offers some sizes. Other keywords replace the values that a setting offers:
    ``learning_rate=[1e-3, 1e-4]``. ``panel.run_now()`` presses Run and waits for the end.
    """
    sizes = [bench.replay.check_rows(size) for size in rows]
    if not sizes:
        available = len(bench.replay.data["train"])
        smaller = [size for size in (24, 48, 96, 192, 384, 768) if size < available]
        sizes = [available, *smaller]
    form = Form(
        config or TrainConfig(), rows=sizes, checkpoints=checkpoints, every=every, choices=choices
    )
    return TrainingPanel(bench, form)


class TrainingPanel(ipywidgets.VBox):
    """The widget that ``training_panel`` returns. All data on runs is in the workbench."""

    def __init__(self, bench: Workbench, form: Form) -> None:
        self.bench = bench
        self.form = form
        self.curves = Curves(bench.monitor)
        self.message = ""
        self._suggested_name = bench.free_name()
        self.name = ipywidgets.Text(
            value=self._suggested_name, description="name", style=STYLE, layout=WIDE
        )
        self.rewind = ipywidgets.Dropdown(
            options=[BEGINNING], description="start from", style=STYLE, layout={"width": "34.5em"}
        )
        self.chosen = ipywidgets.Dropdown(
            options=list(bench.records), description="run", style=STYLE, layout=WIDE
        )
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
        super().__init__(children=self._layout_rows())
        for control in (*form.controls, self.name, self.rewind):
            control.observe(self._show_call, names="value")
        self.rewind.observe(self._rewound, names="value")
        self.say("Choose settings and press Run.")
        self.refresh()
        bench.watchers.append(self.refresh)

    def start(self) -> Record | None:
        """Begin a run with these settings; if impossible, show the reason and return None."""
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
        """Press Run and wait until the run has ended, so that the next cell can use it.

        Raises ValueError if the run cannot begin. An interrupt stops the run.
        """
        run = self.start()
        if run is None:
            raise ValueError(self.message)
        try:
            self._painter.join()
        except KeyboardInterrupt:
            self.stop()
            self._painter.join()
        return run

    def pause(self) -> None:
        """Pause the current run, or resume it."""
        control = self.bench.control
        if self.bench.current is None:
            self.say("Nothing is training.")
        elif control.paused:
            control.resume()
        else:
            control.pause()

    def stop(self) -> None:
        """Stop the current run after its update."""
        if self.bench.current is None:
            self.say("Nothing is training.")
        else:
            self.bench.control.stop()
            self.say(f"{self.bench.current.name} stops after this update.")

    def show_code(self) -> None:
        """Show the code of the selected run, and write it to the folder of the run."""
        name = self.chosen.value
        if name is None:
            self.say("There is no run yet.")
            return
        code = self.bench.code(name)
        self.texts["listing"].value = tag("pre", code, tabindex=0, aria_label=f"code of {name}")
        file = self.bench.folder / name / "run.py"
        if file.exists() and file.read_text(encoding="utf-8") != code:
            file = unused(file)  # the learner may have edited the first one
        write_text(file, code)
        self.say(f"The code of {name} is below, and in {name}/{file.name} of the runs' folder.")

    def save_csv(self) -> None:
        """Write the numbers of all runs to a CSV file."""
        try:
            file = self.bench.to_csv()
        except ExistsError as error:
            self.say(str(error))
        else:
            self.say(f"Every number of {len(self.bench.records)} runs is in {file.name}.")

    def say(self, text: str) -> None:
        """Show a sentence in the status line."""
        self.message = text
        self.texts["status"].value = words.status(text)

    def refresh(self) -> None:
        """Redraw everything from the workbench, and offer its evaluations to start from."""
        records = self.bench.records
        before = self.rewind.value
        self.rewind.unobserve(self._rewound, names="value")  # new options briefly reset the value
        self.rewind.options = [
            BEGINNING,
            *words.rewind_options(records.values(), self.bench.monitor),
        ]
        self.rewind.value = before
        self.rewind.observe(self._rewound, names="value")
        self.chosen.options = list(records)
        self.chosen.value = next(reversed(records), None)
        self._suggest_name(self._suggested_name, *records)
        self._show_call()
        self._draw()
        self.texts["table"].value = words.table(self.bench.compare())

    def _begin(self) -> Record:
        self._suggest_name(self._suggested_name)
        form, name = self.form, self.name.value.strip()
        if self.rewind.value is None:
            return self.bench.begin(
                name,
                form.config(),
                rows=form.rows.value,
                checkpoint=form.checkpoint.value,
                every=form.every.value,
            )
        parent, at = self.rewind.value
        return self.bench.begin_branch(parent, at, name, **self._changes(parent, at))

    def _suggest_name(self, *used: str) -> None:
        """Replace a used name by a free one; keep a name that the learner has typed."""
        if self.name.value in used:
            self._suggested_name = self.bench.free_name()
            self.name.value = self._suggested_name

    def _changes(self, parent: str, at: int) -> dict[str, Any]:
        before = self.bench[parent].stages_until(at)[-1].config
        return words.changes(before, self.form.config())

    def _train(self, run: Record, control: Control) -> None:
        try:
            self.bench.train(run, control)
        except (OSError, RuntimeError) as error:  # the folder is gone; another run was faster
            self.say(f"{run.name} was not trained. {error}")

    def _paint(self, run: Record, control: Control, worker: threading.Thread) -> None:
        """Show the record until the run has ended, and once more at the end."""
        shown = None
        while worker.is_alive():
            worker.join(REFRESH_SECONDS)
            event = words.event(run, self.bench.monitor, paused=control.paused)
            if event != shown and not control.stopped and worker.is_alive():
                self.say(event)
                shown = event
            self._label_pause("Resume" if control.paused else "Pause")
            self.texts["progress"].value = words.progress(run)
            self._draw()
            keep_reachable(self.buttons["pause"], self.buttons["stop"])
        self._label_pause("Pause")
        if run.name in self.bench.records:
            self.say(words.event(run, self.bench.monitor, paused=False))
        self.texts["progress"].value = words.progress(run)

    def _draw(self) -> None:
        self.texts["drawing"].value = self.curves.svg(list(self.bench.records.values()))

    def _label_pause(self, name: str) -> None:
        if self.buttons["pause"].description != name:
            self.buttons["pause"].description = name

    def _rewound(self, change: Any) -> None:
        """Show the settings of the run at the selected evaluation; the learner may change them."""
        self.form.lock_shared(change["new"] is not None)
        self.buttons["run"].description = "Run" if change["new"] is None else "Branch"
        if change["new"] is None:
            self.say("The next run starts from the beginning.")
            return
        parent, at = change["new"]
        self.form.show(self.bench[parent].stages_until(at)[-1].config)
        self.say(f"Back at update {at} of {parent}. Change settings, then press Branch.")

    def _show_call(self, change: Any = None) -> None:
        """Show the call that does what the Run button would do."""
        form, name = self.form, self.name.value.strip()
        try:
            if self.rewind.value is None:
                call = words.run_call(
                    name,
                    form.config(),
                    rows=form.rows.value,
                    checkpoint=form.checkpoint.value,
                    every=form.every.value,
                )
            else:
                parent, at = self.rewind.value
                call = words.branch_call(parent, at, name, self._changes(parent, at))
        except ValueError as error:
            call = f"# {error}"
        self.texts["call"].value = tag("p", "The same as code: ", tag("code", call))

    def _layout_rows(self) -> list[ipywidgets.Widget]:
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
