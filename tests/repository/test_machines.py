"""`make machines` lists every failing cell and test, knows its limits, and changes no lesson."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lesson_cells import NAME, opening_cell
from nbformat.v4 import new_code_cell, new_notebook

from tools import machines, memory, notebooks, regimes, trials
from tools.regimes import Regime
from tools.trials import Outcome

HERE = Regime("here", "as it is", at_once=2, seconds=90, environment={"SHADE": "green"})
NEVER = Regime("never", "what cannot be", at_once=1, seconds=90, possible=False)
LESSONS = len(list((notebooks.ROOT / "notebooks").glob("*.ipynb")))
GOOD = Outcome("04_model", "here", 31.4, 1392.0, 90)
FAILED = replace(GOOD, what="05_finetuning", failures=["cell a: ValueError: odd", "cell b: no"])
SLOW = replace(GOOD, what="10_weight_space", seconds=91.2)


def written(folder: Path, *sources: str) -> Path:
    """A lesson with these code cells, none of which uses torch."""
    cells = [new_code_cell(source, id=f"code-{n}") for n, source in enumerate(sources)]
    notebooks.write(new_notebook(cells=[opening_cell(), *cells]), folder / NAME)
    return folder / NAME


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, Outcome]:
    """A lesson with two failing cells: its path, its content before the run, and the outcome."""
    sources = [
        "import os\nassert os.environ['SHADE'] == 'green'\nassert os.environ['HF_HUB_OFFLINE']",
        "assert 1 + 1 == 3, 'a sum that\\ndoes not add up'",
        "open('left.txt', 'w').write('x')",
        "1 / 0",
        "total = 3\nassert total == 4",
    ]
    path = written(tmp_path_factory.mktemp("lessons"), *sources)
    return path, path.read_bytes(), trials.run_lesson(path, HERE)


def test_every_failing_cell_is_listed_and_the_others_run_in_their_regime(broken):
    _, _, outcome = broken
    assert outcome.failures == [
        "cell code-1: AssertionError: a sum that does not add up",
        "cell code-3: ZeroDivisionError: division by zero",
        "cell code-4: AssertionError: line 2 assert total == 4",
    ]
    assert not outcome.green


def test_a_lesson_runs_on_a_copy(broken):
    path, before, _ = broken
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [NAME]


def test_a_lesson_has_a_cost(broken):
    _, _, outcome = broken
    assert outcome.seconds > 0
    assert outcome.memory_mb > 20
    assert outcome.limit == 90


def test_a_kernel_that_dies_is_reported_with_the_cell(tmp_path: Path):
    path = written(tmp_path, "1 / 0", "import os\nos._exit(3)", "never = 'run'")
    first, last = trials.run_lesson(path, HERE).failures
    assert first == "cell code-0: ZeroDivisionError: division by zero"
    assert last.startswith("cell code-1: ")
    assert "died" in last


def test_failing_tests_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = (
        "import os, pytest\n"
        "def test_good(): assert os.environ['SHADE'] == 'green'\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_bad(n): assert n == 0\n"
        "@pytest.fixture\n"
        "def lost(): raise OSError('no disk')\n"
        "def test_lost(lost): pass\n"
    )
    (tmp_path / "test_few.py").write_text(source)
    monkeypatch.setattr(trials, "BUILD", tmp_path / "build")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    arguments = ["-c", str(tmp_path / "pytest.ini"), str(tmp_path / "test_few.py")]
    outcome = trials.run_tests(HERE, arguments)
    assert [text.partition(": ")[0] for text in outcome.failures] == [
        "test_few::test_bad[1]", "test_few::test_bad[2]", "test_few::test_lost",
    ]  # fmt: skip
    assert "no disk" in outcome.failures[-1]
    assert (outcome.what, outcome.limit) == ("unit", None)


def test_tests_that_could_not_begin_are_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trials, "BUILD", tmp_path / "build")
    outcome = trials.run_tests(HERE, ["--no-such-option"])
    assert outcome.failures == ["pytest ended with status 4; see build/unit-here.log"]
    assert "--no-such-option" in (tmp_path / "build" / "unit-here.log").read_text()


def test_the_table_shows_result_seconds_and_memory_and_lists_all_failures():
    results = [SLOW, GOOD, FAILED, Outcome("04_model", "never", possible=False)]
    shown = machines.table(results, [HERE, NEVER])
    assert "| lesson | here | seconds | MB | never | seconds | MB |" in shown
    assert "| 04_model | green | 31 | 1,392 | not possible here |  |  |" in shown
    assert "| 05_finetuning | **2 failed** | 31 | 1,392 | … |  |  |" in shown
    assert "| 10_weight_space | **too slow** | **91** > 90 | 1,392 | … |  |  |" in shown
    assert "- 05_finetuning, here: cell a: ValueError: odd" in shown
    assert "- 05_finetuning, here: cell b: no" in shown
    assert "- 10_weight_space, here: took 91 s, at most 90 are allowed" in shown
    assert "2 lessons at a time; at most 90 s per lesson" in shown
    assert "Nothing failed." in machines.table([GOOD], [HERE])


@pytest.mark.parametrize(
    ("outcomes", "status"), [([GOOD], 0), ([GOOD, FAILED], 1), ([SLOW], 1), ([], 0)]
)
def test_the_exit_status_tells_whether_all_is_green(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, outcomes: list[Outcome], status: int
):
    monkeypatch.setattr(machines, "BUILD", tmp_path / "build")
    monkeypatch.setattr(machines, "outcomes", lambda *_: iter(outcomes))
    assert machines.main(["--regimes", "plain", "04"]) == status
    shown = capsys.readouterr().out
    if outcomes:
        results = json.loads((tmp_path / "build" / "machines.json").read_text())["results"]
        assert [result["green"] for result in results] == [outcome.green for outcome in outcomes]
        assert (tmp_path / "build" / "machines.md").read_text(encoding="utf-8") == shown[:-1]


@pytest.mark.parametrize(
    ("arguments", "names", "lessons", "unit"),
    [
        ([], ["plain", "small", "bf16"], LESSONS, True),
        (["--regimes", "", ""], ["plain", "small", "bf16"], LESSONS, True),
        (["--regimes", "small bf16", "04 10"], ["small", "bf16"], 2, False),
        (["--regimes", "bf16,small", "00", "unit"], ["bf16", "small"], 1, True),
        (["unit"], ["plain", "small", "bf16"], 0, True),
        (["04_model.ipynb"], ["plain", "small", "bf16"], 1, False),
    ],
)
def test_regimes_and_lessons_are_chosen(
    monkeypatch: pytest.MonkeyPatch, arguments, names, lessons: int, unit: bool
):
    calls = []
    monkeypatch.setattr(
        machines, "outcomes", lambda *arguments: calls.append(arguments) or iter(())
    )
    assert machines.main(arguments) == 0
    assert [regime.name for regime, *_ in calls] == names
    assert {(len(paths), with_unit) for _, paths, with_unit in calls} == {(lessons, unit)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--regimes", "tiny"], "no regime 'tiny'; there are plain, small, bf16"),
        (["77"], "no notebook '77'; there are 00_start_here.ipynb"),
    ],
)
def test_unknown_names_are_answered_with_the_known(capsys, arguments, message: str):
    with pytest.raises(SystemExit):
        machines.main(arguments)
    assert message in capsys.readouterr().err


def test_what_cannot_run_here_is_said_and_is_no_failure():
    outcomes = list(machines.outcomes(NEVER, [Path("04_model.ipynb")], True))
    assert [outcome.what for outcome in outcomes] == ["unit", "04_model"]
    assert all(outcome.green and not outcome.possible for outcome in outcomes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16", True),
        ("flags : fpu amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu avx2 avx512f", False),
    ],
)
def test_instructions_for_bf16_are_known(tmp_path, monkeypatch, text: str, expected: bool):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(regimes, "CPUINFO", tmp_path / "cpuinfo")
    assert regimes.multiplies_bf16() is expected


def test_no_kernel_above_avx2_is_taken_in_the_small_regime():
    """Each library reports the kernels that it uses."""
    small = regimes.all_regimes()["small"]
    if "ATEN_CPU_CAPABILITY" not in small.environment:
        pytest.skip("AVX2 is a word for x86 processors")
    script = (
        "import torch; print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())\n"
        "a, b = torch.ones(64, 384), torch.ones(384, 384)\n"
        "a @ b; a.bfloat16() @ b.bfloat16(); torch.conv2d(b[None, None], b[None, None, :3, :3])"
    )
    verbose = {"ONEDNN_VERBOSE": "1", "MKL_VERBOSE": "1"}
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **trials.environment(small), **verbose},
        capture_output=True,
        text=True,
        check=True,
    )
    output = process.stdout.lower()
    assert "avx2 1\n" in output.replace("\r", "")
    kernels = [line for line in output.splitlines() if line.startswith(("onednn", "mkl_verbose"))]
    assert not [line for line in kernels if "avx512" in line or "amx" in line or "avx-512" in line]


def test_memory_of_children_counts_and_that_of_the_parent_does_not():
    """The parent holds 300 MB, the child 100 and the child's child 80."""
    held = bytearray(b"x") * (300 * memory.MB)
    grandchild = "import sys; held = bytearray(b'x') * (80 * 2**20); print(1); sys.stdin.read()"
    child = (
        "import subprocess, sys\nheld = bytearray(b'x') * (100 * 2**20)\n"
        f"below = subprocess.Popen([sys.executable, '-c', {grandchild!r}], stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE)\nbelow.stdout.readline()\nprint(1, flush=True)\n"
        "sys.stdin.read()\nbelow.communicate()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with memory.PeakMemory(process.pid) as peak:
        process.stdout.readline()
    process.communicate()
    assert 180 < peak.mb < len(held) / memory.MB
