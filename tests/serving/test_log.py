"""A log that cannot be written delays nobody, and says so once."""

import logging
import threading

import pytest
from waiting import HANG, waited

from ftlearn.serving import log


class Disk:
    """Keeps what it is given; full, or held up, when a test says so."""

    def __init__(self):
        self.content = b""
        self.is_full = False
        self.released = threading.Event()
        self.released.set()

    def write(self, data):
        assert self.released.wait(HANG)
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.content += data[:3]  # as a pipe takes a part
        return 3


class Written:
    """A handler for a disk, and what it reports."""

    def __init__(self):
        self.disk = Disk()
        self.reports = []
        self.lost = 0
        self.handler = log.BackgroundHandler(self.disk, self.reports.append, self.count)

    def count(self):
        self.lost += 1

    def emit(self, *lines):
        for line in lines:
            self.handler.emit(logging.makeLogRecord({"msg": line}))


@pytest.fixture
def written():
    written = Written()
    yield written
    written.disk.released.set()


def test_lines_are_written_in_order_and_to_the_end(written):
    written.emit(*map(str, range(1000)), "ä\ud800")
    written.handler.flush()
    expected = "".join(f"{number}\n" for number in range(1000)) + "ä\\ud800\n"
    assert written.disk.content.decode() == expected
    assert written.lost == 0


def test_a_full_disk_costs_lines_and_is_reported_once_until_it_has_room_again(written):
    written.emit("before")
    waited(lambda: written.disk.content == b"before\n")
    for _ in range(2):
        lost = written.lost
        written.disk.is_full = True
        written.emit("a", "b", "c")
        waited(lambda lost=lost: written.lost == lost + 3)
        written.disk.is_full = False
        written.emit("after")
        waited(lambda: written.disk.content.endswith(b"after\n"))
    waited(lambda: len(written.reports) == 4)
    full, again = written.reports[:2]
    assert "No space left on device" in full
    assert "requests are answered without it" in full
    assert "3 lines were lost" in again
    assert written.disk.content == b"before\nafter\nafter\n"


def test_a_reader_that_stands_still_delays_nobody(written, monkeypatch):
    monkeypatch.setattr(log, "PATIENCE", 0.01)
    written.disk.released.clear()
    # The thread holds one line, or none yet; the rest wait, and what is too much is lost at once.
    written.emit(*map(str, range(log.MOST_LINES + 7)))
    assert written.lost in (6, 7)
    written.handler.flush()  # nor the end of the service
