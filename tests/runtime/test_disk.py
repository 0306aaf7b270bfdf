"""What does not fit on a disk is known before, and named in megabytes after."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from safetensors import SafetensorError
from small_files import small_files

from ftlearn.errors import DiskFullError
from ftlearn.runtime import disk


@pytest.fixture
def room(monkeypatch) -> None:
    """A disk with 100 MB free."""
    usage = shutil.disk_usage(".")._replace(free=100_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)


def test_a_folder_that_is_not_there_yet_is_asked_for_its_disk(tmp_path, monkeypatch):
    paths = []
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: (paths.append(path), real(path))[1])
    assert disk.free_bytes(tmp_path / "a" / "b") > 0
    assert paths == [tmp_path]


def test_what_is_too_much_is_counted(room):
    assert disk.shortage(".", 100_000_000, 1) is None
    assert disk.shortage(".", 130_000_000, 1) == (
        "130 MB are needed and 100 MB are free: 30 MB too few"
    )
    assert disk.shortage(".", 130_000_000, 1, taken=30_000_000) is None


def test_a_limit_of_one_file_counts_too(room):
    with small_files(50_000_000):
        assert disk.shortage(".", 60_000_000, 50_000_000) is None
        reason = disk.shortage(".", 60_000_000, 60_000_000)
    assert reason == (
        "one file takes 60 MB, and the limit of this session for a file is 50 MB (ulimit -f)"
    )


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EFBIG, "File too large"), True),
        (SafetensorError("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError("the column 'No space left on device'"), False),
        (SafetensorError("header too large"), False),
    ],
)
def test_a_full_disk_is_known_by_its_errors(error: Exception, full: bool):
    assert disk.is_full(error) == full
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = error
    assert disk.is_full(wrapped) == full


def test_a_real_full_disk_becomes_one_error_with_the_megabytes(tmp_path):
    def write() -> None:
        with small_files(1_000_000), disk.explained("the model", tmp_path, 4_000_000, 4_000_000):
            (tmp_path / "model").write_bytes(bytes(4_000_000))

    with pytest.raises(DiskFullError, match=r"the model cannot be written .* one file takes 4 MB"):
        write()


def test_other_errors_pass(tmp_path):
    with pytest.raises(ZeroDivisionError), disk.explained("the model", Path(), 1, 1):
        1 / 0  # noqa: B018
