"""Binder builds what the tests test: its image is rendered, without a container engine."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import EXTRAS, PROJECT, pins, read

from tools.notebooks import ROOT

DEPENDENCIES = yaml.safe_load(read("binder/environment.yml"))["dependencies"]


@pytest.fixture(scope="module")
def dockerfile() -> str:
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return answer.stdout + answer.stderr


def pip_lines() -> list[str]:
    return next(d["pip"] for d in DEPENDENCIES if isinstance(d, dict))


def pip_pins() -> dict[str, str]:
    pairs = [line.split("==") for line in pip_lines() if "==" in line]
    return {canonicalize_name(name): version.removesuffix("+cpu") for name, version in pairs}


def test_image_uses_the_environment_and_the_scripts(dockerfile: str):
    assert "COPY --chown=0:0 src/binder/environment.yml" in dockerfile
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in dockerfile
    assert "RUN ./binder/postBuild" in dockerfile
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in dockerfile


def test_image_has_the_python_that_is_asked_for(dockerfile: str):
    assert "python=3.12" in DEPENDENCIES
    assert "Building conda environment for python=3.12" in dockerfile


def test_pins_are_the_tested_ones():
    notebooks = [Requirement(line).name for line in EXTRAS["notebooks"]]
    from_conda = {"jupyterlab", "ipywidgets"}
    wanted = {Requirement(line).name for line in PROJECT["dependencies"]} | set(notebooks)
    wanted = {canonicalize_name(name) for name in wanted} - from_conda
    assert pip_pins() == {name: pins()[name] for name in wanted}


@pytest.mark.parametrize("name", ["jupyterlab", "ipywidgets"])
def test_conda_brings_the_front_end_in_the_tested_major_version(name: str):
    assert f"{name}={pins()[name].split('.')[0]}" in DEPENDENCIES


def test_torch_is_the_build_without_cuda():
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in pip_lines()
    assert f"torch=={pins()['torch']}+cpu" in pip_lines()


def test_the_course_is_installed_without_touching_its_dependencies():
    assert "\npip install --no-deps .\n" in read("binder/postBuild")


def test_the_language_model_is_where_the_session_looks_for_it():
    place = 'FTLEARN_CACHE="${NB_PYTHON_PREFIX}/share/ftlearn"'
    assert f"{place} ftlearn fetch smollm2" in read("binder/postBuild")
    assert f"export {place}" in read("binder/start")


@pytest.mark.skipif(sys.platform == "win32", reason="Binder's machines are Linux")
def test_start_hands_over_to_the_server_with_one_thread():
    environment = {"PATH": "/usr/bin:/bin", "NB_PYTHON_PREFIX": "/srv/conda"}
    command = [ROOT / "binder/start", "sh", "-c", "echo $OMP_NUM_THREADS $0", "two words"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "1 two words\n"
