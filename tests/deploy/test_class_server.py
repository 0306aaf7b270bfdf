"""The hub of a class: its settings fit the lessons, and its links lead to them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from deployments import DEPLOY, documents
from traitlets.config import Config

from ftlearn.runtime.user_cache import SHARED_VARIABLE
from tools import rules
from tools.notebooks import ROOT, find, settings

HUB = DEPLOY / "jupyterhub"
PAGE = ROOT / "docs" / "class_server.md"
(VALUES,) = documents(HUB / "values.yaml")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the code of the page computes."""
    monkeypatch.chdir(ROOT)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(block, names)
    return SimpleNamespace(**names)


@pytest.fixture
def spawner() -> Mapping:
    """What the configuration says of a learner's server."""
    config = Config()
    exec((HUB / "ftlearn_config.py").read_text("utf-8"), {"get_config": lambda: config})
    return config.Spawner


def gigabytes(size: str) -> float:
    """A size as JupyterHub reads it.

    >>> gigabytes("2G")
    2.147483648
    """
    return float(size.removesuffix("G")) * 2**30 / 1e9


def test_the_table_holds_what_the_code_computes(page):
    lines = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [int(learners) for learners, _ in lines] == list(page.plans)
    for learners, cells in lines:
        shown = [float(cell.removesuffix(" GB")) for cell in cells.split(" | ")]
        memory, busy, minutes = page.plans[int(learners)]
        assert shown == pytest.approx([memory, busy, *minutes], rel=0.06), learners


def test_the_plan_takes_the_limits_of_the_lessons(page):
    assert (page.MEMORY, page.SECONDS) == (rules.LONG_MB, rules.LONG_SECONDS)
    stated = f"{page.MEMORY / 1000} GB of memory and {page.SECONDS} seconds"
    assert stated in PAGE.read_text("utf-8")


def test_the_largest_lesson_fits_into_the_limits_and_two_large_ones_do_not(page, spawner):
    one = (page.MEMORY + page.SERVER) / 1000
    limits = (spawner.mem_limit, VALUES["singleuser"]["memory"]["limit"])
    for limit in map(gigabytes, limits):
        assert 1.2 * one < limit < 2 * one
    for limit in limits:
        assert f"{limit.removesuffix('G')} GB" in PAGE.read_text("utf-8")


def test_a_learner_has_as_many_threads_as_cores_and_finds_the_shared_folder(spawner):
    assert spawner.environment["OMP_NUM_THREADS"] == str(spawner.cpu_limit)
    shared = spawner.environment[SHARED_VARIABLE]
    fetch = rf"FTLEARN_CACHE={shared} \S+/ftlearn fetch smollm2"
    assert re.search(fetch, PAGE.read_text("utf-8"))


def test_kernels_end_alike_on_a_server_and_on_a_cluster(spawner):
    given = dict(word.partition(".")[2].split("=") for word in spawner.args)
    data = VALUES["singleuser"]["extraFiles"]["culling"]["data"]["MappingKernelManager"]
    assert given == {name: str(value) for name, value in data.items()}
    minutes = int(given["cull_idle_timeout"]) // 60
    assert f"Kernels end {minutes} minutes" in PAGE.read_text("utf-8")


def test_the_cluster_runs_the_image_that_the_page_builds():
    image = VALUES["singleuser"]["image"]
    assert f"--image-name {image['name']}:{image['tag']}" in PAGE.read_text("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="repo2docker does not run on Windows")
def test_the_image_keeps_clear_of_the_learners_home():
    build = re.search(r"^jupyter-(repo2docker .*?[^\\])$", PAGE.read_text("utf-8"), re.M | re.S)[1]
    words = re.findall(r'"[^"]*"|[^\s\\]+', build)[1:-1]
    words = [word.strip('"') for word in words if word != "--no-run"]
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", *words, str(ROOT)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    rendered = answer.stdout + answer.stderr
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in rendered
    assert words[words.index("--target-repo-dir") + 1] == "/srv/ftlearn"
    assert "RUN pip install --no-cache-dir nbgitpuller==" in rendered


def test_the_page_clones_the_repository_of_the_project():
    cloned = re.findall(r"git clone (\S+)", PAGE.read_text("utf-8"))
    assert cloned == [f"https://github.com/{settings()['repository']}"]


def links(*words: str) -> list[dict[str, str]]:
    """The parts of all links that the script prints."""
    command = [sys.executable, HUB / "links.py", "https://class.example.com", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = []
    for line in printed.splitlines():
        address = urlsplit(line)
        assert address.netloc + address.path == "class.example.com/hub/user-redirect/git-pull"
        found.append({name: values[0] for name, values in parse_qs(address.query).items()})
    return found


def test_there_is_a_link_per_lesson_to_the_repository_of_the_project():
    found = links()
    opened = [f"lab/tree/ftlearn/notebooks/{path.name}" for path in find()]
    assert [link["urlpath"] for link in found] == opened
    assert {link["repo"] for link in found} == {f"https://github.com/{settings()['repository']}"}
    assert {link["branch"] for link in found} == {settings()["branch"]}


def test_handouts_of_the_class_may_lie_elsewhere():
    repository = "https://git.example.com/class/handouts.git"
    link = links("--repository", repository, "--branch", "spring", "--folder", "")[0]
    assert link["repo"] == repository
    assert (link["branch"], link["urlpath"]) == ("spring", f"lab/tree/handouts/{find()[0].name}")


def test_the_example_of_the_script_is_right():
    subprocess.run([sys.executable, "-m", "doctest", HUB / "links.py"], check=True)
