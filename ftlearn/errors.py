"""The base class of every error that this package raises on purpose.

A program that calls ftlearn can catch ``FtlearnError`` and show the message as it is: it names the
offending value and the remedy. Each class derives from a builtin as well, so that ``except
ValueError`` works as one expects. Anything else that comes out of the package is a fault of ours.
"""

from __future__ import annotations


class FtlearnError(Exception):
    """The request cannot be carried out; the message names the value and the remedy."""


class ArgumentError(FtlearnError, ValueError):
    """A value that cannot be used: an argument, a setting, or what the data or a model holds."""


class ArgumentTypeError(FtlearnError, TypeError):
    """An argument of the wrong type; the message says what to pass instead."""


class UnknownNameError(FtlearnError, KeyError):
    """A column, part or metric that is not there; the message lists those that are.

    >>> str(UnknownNameError("no metric 'f2'; there are: accuracy, f1"))
    "no metric 'f2'; there are: accuracy, f1"
    """

    def __str__(self) -> str:
        return Exception.__str__(self)  # KeyError would show the repr of its message


class ExistsError(FtlearnError, FileExistsError):
    """A file or folder would be replaced that this package has not written."""


class BusyError(FtlearnError, RuntimeError):
    """Another process is at work in the same place; the message says which, and since when."""


class DiskFullError(FtlearnError, OSError):
    """What is to be written does not fit on the disk; the message counts the megabytes."""
