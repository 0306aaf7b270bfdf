"""The base class of every error that this package raises on purpose.

A program that calls ftlearn can catch ``FtlearnError`` and show the message as it is: it names the
offending value and the remedy. Anything else that comes out of the package is a fault of ours.
"""

from __future__ import annotations


class FtlearnError(Exception):
    """What was asked cannot be done; the message names the value and the remedy."""


class ExistsError(FtlearnError, FileExistsError):
    """A file or folder would be replaced that this package has not written."""


class BusyError(FtlearnError, RuntimeError):
    """Another process is at work in the same place; the message says which, and since when."""


class DiskFullError(FtlearnError, OSError):
    """What is to be written does not fit on the disk; the message counts the megabytes."""
