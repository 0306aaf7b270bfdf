"""A class on one server: two learners on a real JupyterHub with the configuration that we ship."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import hubs
import nbformat
import pytest
from deployments import DEPLOY

from ftlearn.course import class_page
from tools import classroom, notebooks

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(sys.platform == "win32", reason="JupyterHub does not run on Windows"),
]
LINKS = DEPLOY / "jupyterhub" / "links.py"
LESSON = "00_start_here.ipynb"
PEEK = """
from pathlib import Path
import os
def attempt(action):
    try:
        return action()
    except OSError as error:
        return type(error).__name__
"""


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=Teacher", "-c", "user.email=teacher@example.com"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that all users of the machine may read; pytest's own are for one alone."""
    folder = Path(tempfile.mkdtemp(prefix="class"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def handouts(place: Path) -> Path:
    """A repository of the teacher with the students' first lesson."""
    folder = place / "handouts"
    folder.mkdir()
    lesson = classroom.student(notebooks.read(notebooks.FOLDER / LESSON))
    nbformat.write(lesson, folder / LESSON)
    git(folder, "init", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "Lesson 00")
    return folder


@pytest.fixture(scope="module")
def shared(place: Path) -> Path:
    """The folder of the class, which learners may read."""
    folder = place / "shared"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "note").write_text("for all")
    return folder


@pytest.fixture(scope="module")
def hub(handouts: Path, shared: Path) -> Iterator[tuple[str, bool]]:
    """The address of the hub, and whether its learners are different users of the system."""
    # Over a network git asks nobody whose the repository is, but it does for a folder.
    trusting = shared.parent / "gitconfig"
    trusting.write_text("[safe]\n\tdirectory = *\n")
    settings = {"GIT_CONFIG_GLOBAL": str(trusting), "FTLEARN_SHARED_CACHE": str(shared)}
    with hubs.running(DEPLOY / "jupyterhub" / "ftlearn_config.py", settings) as running:
        yield running


@pytest.fixture(scope="module")
def learners(hub: tuple[str, bool]) -> tuple[hubs.Learner, hubs.Learner]:
    """Ada and Bob, each with a server."""
    both = tuple(hubs.logged_in(hub[0], name) for name in hubs.LEARNERS)
    for learner in both:
        learner.start_server()
    return both


@pytest.fixture(scope="module")
def link(hub: tuple[str, bool], handouts: Path) -> str:
    """The teacher's link to the first lesson, as our script prints it."""
    command = [sys.executable, LINKS, hub[0], "--repository", handouts.as_uri(), "--folder", ""]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return next(line for line in printed.splitlines() if LESSON in line)


def pull(learner: hubs.Learner, link: str) -> str:
    """Open a link as a learner; what the hub reports."""
    query = parse_qs(urlsplit(link).query)
    folder = query["urlpath"][0].split("/")[2]
    asked = {"repo": query["repo"][0], "branch": query["branch"][0], "targetpath": folder}
    report = learner.ask("git-pull/api", params=asked).text
    assert '"phase": "finished"' in report, report
    return report


def test_each_learner_opens_the_link_and_runs_a_cell_of_the_lesson(learners, link):
    for learner in learners:
        pull(learner, link)
        opened = learner.ask(f"api/contents/handouts/{LESSON}").json()["content"]
        cells = [cell["source"] for cell in opened["cells"] if cell["cell_type"] == "code"]
        parameters = next(source for source in cells if "exercises.load" in source)
        kernel = learner.start_kernel()
        assert learner.run(kernel, f"{parameters}\nprint(ex.__class__.__module__)").startswith(
            "ftlearn.course"
        )


def test_the_class_shares_a_folder_that_nobody_in_it_can_write_to(hub, learners, shared):
    ada = learners[0]
    kernel = ada.start_kernel()
    ada.run(kernel, PEEK + "from ftlearn.runtime import user_cache")
    seen = ada.run(kernel, "print(*user_cache.readable_folders())")
    assert seen.split()[0] == str(shared)
    note = f"Path({str(shared)!r}, 'models', 'note')"
    assert ada.run(kernel, f"print(attempt({note}.read_text))") == "for all"
    if not hub[1]:
        pytest.skip("all learners run as the tester here: only root can start them as others")
    for place in (note, f"{note}.with_name('mine')"):
        tried = ada.run(kernel, f"print(attempt(lambda: {place}.write_text('x')))")
        assert tried == "PermissionError"


def test_a_learner_reaches_nothing_of_another_one(hub, learners):
    ada, bob = learners
    assert ada.ask("api/contents").status_code == 200
    assert bob.ask("api/contents", of="ada").status_code == 403
    assert bob.ask("api/contents/../ada").status_code in (400, 403, 404)
    if not hub[1]:
        pytest.skip("all learners run as the tester here: only root can start them as others")
    kernel = bob.start_kernel()
    bob.run(kernel, PEEK)
    assert bob.run(kernel, "print(attempt(lambda: len(os.listdir('.'))) > 0)") == "True"
    assert bob.run(kernel, "print(attempt(lambda: os.listdir('../ada')))") == "PermissionError"


def test_what_both_hand_in_becomes_one_page_for_the_teacher(learners, place):
    desk = place / "handed-in"
    desk.mkdir()
    for learner, answers in zip(learners, ((36, 36), (12,)), strict=True):
        kernel = learner.start_kernel()
        learner.run(kernel, "from ftlearn.course import exercises\nex = exercises.load('00')")
        for answer in answers:
            learner.run(kernel, f"ex.q2.check({answer})")
        file = f"{learner.name}.json"
        learner.run(kernel, f"exercises.export('{file}', name='{learner.name.title()}')")
        handed_in = learner.ask(f"api/contents/{file}", params={"format": "text", "type": "file"})
        (desk / file).write_text(handed_in.json()["content"])
    progress = class_page.write_page(desk, place / "class.html")
    assert progress.faults == ()
    counts = {
        learner.name: (learner.solved(["00/q2"]), learner.tries(progress.keys))
        for learner in progress.learners
    }
    assert counts == {"Ada": (1, 2), "Bob": (0, 1)}
    page = (place / "class.html").read_text("utf-8")
    assert ">Ada</bdi>" in page
    assert ">Bob</bdi>" in page


def test_a_server_knows_its_limits(learners):
    ada = learners[0]
    kernel = ada.start_kernel()
    names = "MEM_LIMIT", "CPU_LIMIT", "OMP_NUM_THREADS"
    told = ada.run(kernel, f"import os; print(*(os.environ[name] for name in {names}))")
    assert told.split() == [str(int(2.5 * 2**30)), "2.0", "2"]


def test_an_update_keeps_what_a_learner_has_changed(learners, link, handouts):
    ada = learners[0]
    pull(ada, link)
    kernel = ada.start_kernel()
    change = f"""
import json, pathlib
path = pathlib.Path("handouts/{LESSON}")
lesson = json.loads(path.read_text())
lesson["cells"][0]["source"] = ["# My own words"]
path.write_text(json.dumps(lesson, indent=1, ensure_ascii=False) + "\\n")
pathlib.Path("handouts/notes.txt").write_text("mine")
print(path.stat().st_size > 0)
"""
    assert ada.run(kernel, change) == "True"
    lesson = notebooks.read(handouts / LESSON)
    lesson.cells[0].source = "# The teacher's new words"
    lesson.cells[-1].source += "\n# a new last line"
    nbformat.write(lesson, handouts / LESSON)
    (handouts / "01_theory.ipynb").write_text("{}")
    (handouts / "notes.txt").write_text("the teacher's")
    git(handouts, "add", ".")
    git(handouts, "commit", "-m", "Corrections")
    pull(ada, link)
    cells = ada.ask(f"api/contents/handouts/{LESSON}").json()["content"]["cells"]
    assert cells[0]["source"] == "# My own words"
    assert cells[-1]["source"].endswith("# a new last line")
    names = {item["name"] for item in ada.ask("api/contents/handouts").json()["content"]}
    (renamed,) = {name for name in names if name.startswith("notes__")}
    assert {"01_theory.ipynb", "notes.txt", LESSON} <= names
    assert ada.ask(f"api/contents/handouts/{renamed}").json()["content"] == "mine"
