"""Where trials are kept: a file, or a database that many machines reach."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from sqlalchemy.engine import make_url

from ftlearn.errors import ArgumentError, ExistsError
from ftlearn.search.results import SearchError

HEARTBEAT_SECONDS = 60
"""How often a worker reports to a database; one that is silent twice as long counts as dead."""
TRIES = 5
"""How often tables are looked for: of several processes that make them at once, one succeeds."""


@contextmanager
def opened(storage: str | Path | None) -> Iterator[BaseStorage | None]:
    """The storage by path or URL; the connections to a database are closed at the end.

    Raises ExistsError for a file that is no storage, ArgumentError where the driver of a database
    is missing, and SearchError where it cannot be reached.
    """
    if storage is None:
        yield None
    elif "://" in str(storage):
        database = _database(str(storage))
        try:
            yield database
        finally:
            database.remove_session()
            database.engine.dispose()
    else:
        _check_journal(Path(storage))
        yield JournalStorage(JournalFileBackend(str(storage)))


def driven(url: str) -> str:
    """A URL with the driver that we install: PostgreSQL's default in SQLAlchemy is an older one.

    >>> driven("postgresql://ada@host/searches")
    'postgresql+psycopg://ada@host/searches'
    >>> driven("sqlite:///search.db")
    'sqlite:///search.db'
    """
    scheme, separator, rest = url.partition("://")
    scheme = "postgresql+psycopg" if scheme in ("postgresql", "postgres") else scheme
    return scheme + separator + rest


def _database(url: str) -> RDBStorage:
    """The storage in a database, with its tables made where they are missing."""
    url = driven(url)
    for attempt in range(1, TRIES + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return RDBStorage(
                    url,
                    # A connection that broke while a trial ran for hours is opened again.
                    engine_kwargs={"pool_pre_ping": True},
                    heartbeat_interval=HEARTBEAT_SECONDS,
                )
        except ImportError as error:
            raise ArgumentError(
                f"storage is {_shown(url)}, and its driver is not installed ({error.__cause__}): "
                'pip install "ftlearn[search]" has that of PostgreSQL'
            ) from None
        except sqlalchemy.exc.DBAPIError as error:
            if attempt == TRIES:
                reason = str(error.orig).strip().splitlines()[0]
                raise SearchError(
                    f"the database {_shown(url)} cannot be used ({reason}): is the server running, "
                    "and may this user create tables there?"
                ) from error
            time.sleep(0.2 * attempt)
    raise AssertionError("not reached")


def _shown(url: str) -> str:
    """A URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _check_journal(file: Path) -> None:
    """Raise ExistsError for a file that is no search journal: Optuna would append to it."""
    if not file.exists() or (file.is_file() and not file.stat().st_size):
        return
    try:
        with file.open(encoding="utf-8") as lines:
            is_journal = "op_code" in json.loads(next(lines))
    except (OSError, ValueError, TypeError):
        is_journal = False
    if not is_journal:
        raise ExistsError(f"{file} is not the storage of a search: choose another file")
