"""The bug museum of notebook 24: a percentile that is a mean, an empty bin, a clock set late."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_percentile(), _empty_bin(), _late_clock()]


# --- q4: netdata/netdata#2647 ---------------------------------------------------------------------


def _verify_percentile(answer: Callable[..., Any]) -> str:
    require_function(answer, "latencies (N,)")
    random = np.random.default_rng()
    for size in (100, 1000):
        values = random.exponential(1.0, size)
        given = np.asarray(answer(values.copy()), float)
        if given.shape != ():
            raise NotYetError(f"one number, please; the shape is {given.shape}")
        ordered = np.sort(values)
        rank = math.ceil(0.95 * size)
        low, high = ordered[rank - 2], ordered[rank]
        if not low <= given <= high:
            _name_percentile(float(given), ordered)
            raise NotYetError(f"95 % of the latencies lie below {high:.3f}; yours is {given:.3f}")
    return "right: the value that 95 % do not exceed; the slow ones decide it, no mean does"


def _name_percentile(given: float, ordered: np.ndarray) -> None:
    kept = ordered[: int(0.95 * len(ordered))]
    typical = (
        (kept.mean(), "that is the mean of the fastest 95 %: near the middle, whatever the tail"),
        (ordered.mean(), "that is the mean of all"),
        (np.median(kept), "that is the median of the fastest 95 %"),
        (np.quantile(ordered, 0.05), "that is the 5th percentile: the other end"),
        (ordered[-1], "that is the slowest of all: 5 % may be slower than the percentile"),
    )
    for known, reason in typical:
        if math.isclose(given, known, rel_tol=1e-9):
            raise NotYetError(reason)


def _percentile() -> Exercise:
    return Exercise(
        name="a percentile near the middle",
        difficulty=1,
        minutes=5,
        verify=_verify_percentile,
        hints=(
            "for the numbers 1 to 100 it should be about 95: what does the code give?",
            "the slowest of the fastest 95 % is the value that is asked for",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(latencies):\n"
            "    # the value that 95 % of the latencies do not exceed\n"
            "    return np.percentile(latencies, 95)"
        ),
        broken=(
            "import numpy as np\n\n\n"
            "def answer(latencies):\n"
            '    """The 95th percentile of latencies (N,)."""\n'
            "    fastest = np.sort(latencies)[: int(0.95 * len(latencies))]\n"
            "    return fastest.mean()\n\n"
        ),
        example=lambda latencies: np.percentile(latencies, 95),
        mistakes=(
            (lambda v: np.sort(v)[: int(0.95 * len(v))].mean(), "whatever the tail"),
            (lambda v: v.mean(), "mean of all"),
            (lambda v: np.median(np.sort(v)[: int(0.95 * len(v))]), "median of the fastest"),
            (lambda v: np.quantile(v, 0.05), "the other end"),
            (lambda v: v.max(), "slowest of all"),
            (lambda v: np.sort(v)[:95], "the shape"),
            (lambda v: 0.0, "yours is 0.000"),
            (0.5, "is a function"),
        ),
    )


# --- q5: ing-bank/probatus#115 --------------------------------------------------------------------


def _psi(before: np.ndarray, now: np.ndarray, added: tuple[float, float] = (0.5, 0.5)) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        p = (before + added[0]) / (before + added[0]).sum()
        q = (now + added[1]) / (now + added[1]).sum()
        return float(((p - q) * np.log(p / q)).sum())


def _without_empty(before: np.ndarray, now: np.ndarray) -> float:
    kept = (before > 0) & (now > 0)
    return _psi(before[kept], now[kept], (0, 0))


def _kl(before: np.ndarray, now: np.ndarray) -> float:
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float((p * np.log(p / q)).sum())


def _verify_empty_bin(answer: Callable[..., Any]) -> str:
    require_function(answer, "two arrays of counts (K,)")
    random = np.random.default_rng()
    for size in (40, 300):
        before, now = random.multinomial(200, np.full(8, 1 / 8)), random.multinomial(size, _SHARES)
        now[0] = 0
        with np.errstate(divide="ignore", invalid="ignore"):
            given = float(answer(before.copy(), now.copy()))
        truth = _psi(before, now)
        if abs(given - truth) < 1e-9:
            continue
        _name_empty_bin(given, before, now)
        raise NotYetError(f"counts {before.tolist()} and {now.tolist()}: {truth:.4f}")
    return "right: finite, and an empty bin still counts as much as its sample allows"


_SHARES = np.array([1, 2, 3, 4, 4, 3, 2, 1]) / 20


def _name_empty_bin(given: float, before: np.ndarray, now: np.ndarray) -> None:
    if not math.isfinite(given):
        raise NotYetError(
            "infinite: the logarithm of an empty bin; one bin of a small sample is empty by chance"
        )
    typical = (
        (_without_empty(before, now), "bins that emptied are left out: those have moved the most"),
        (
            _psi(before, now, (0, 0.5)),
            "only one sample got the half count: equal samples would then have a PSI above 0",
        ),
        (_psi(before, now, (1e-6, 1e-6)), "a millionth keeps it finite, and lets one bin decide"),
        (_kl(before, now), "that is one of the two KL divergences; PSI is their sum"),
    )
    for known, reason in typical:
        if math.isclose(given, known, rel_tol=1e-9, abs_tol=1e-12):
            raise NotYetError(reason)


def _empty_bin() -> Exercise:
    return Exercise(
        name="an empty bin",
        difficulty=2,
        minutes=8,
        verify=_verify_empty_bin,
        hints=(
            "what is the logarithm of p / 0?",
            "add the half to the counts of both samples, before they become shares",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(before, now):\n"
            "    # half a count in every bin of both: no share is 0, and no bin is treated apart\n"
            "    p = (before + 0.5) / (before + 0.5).sum()\n"
            "    q = (now + 0.5) / (now + 0.5).sum()\n"
            "    return ((p - q) * np.log(p / q)).sum()"
        ),
        broken=(
            "import numpy as np\n\n\n"
            "def answer(before, now):\n"
            '    """The population stability index of two arrays of counts, (K,)."""\n'
            "    p, q = before / before.sum(), now / now.sum()\n"
            "    return ((p - q) * np.log(p / q)).sum()\n\n"
        ),
        example=_psi,
        mistakes=(
            (lambda p, q: _psi(p, q, (0, 0)), "infinite"),
            (_without_empty, "left out"),
            (lambda p, q: _psi(p, q, (0, 0.5)), "one sample"),
            (lambda p, q: _psi(p, q, (1e-6, 1e-6)), "one bin decide"),
            (_kl, "their sum"),
            (lambda p, q: 0.0, "counts"),
            (0.5, "is a function"),
        ),
    )


# --- q6: Netflix/ndbench#6 ------------------------------------------------------------------------


class _Service:
    """A clock, and a service in it that takes a given time for each request."""

    def __init__(self, seconds: np.ndarray) -> None:
        self.now = 0.0
        self._seconds = seconds
        self.called: list[int] = []

    def clock(self) -> float:
        """The time now, in seconds."""
        return self.now

    def wait_until(self, moment: float) -> None:
        """Let the time pass until a moment."""
        self.now = max(self.now, float(moment))

    def call(self, request: int) -> None:
        """Send a request; the time passes until its answer."""
        self.called.append(request)
        self.now += float(self._seconds[request])


def _timed(due: Any, call: Any, clock: Any, wait_until: Any) -> list[float]:
    latencies = []
    for request, moment in enumerate(due):
        wait_until(moment)
        call(request)
        latencies.append(clock() - moment)
    return latencies


def _timed_late(due: Any, call: Any, clock: Any, wait_until: Any) -> list[float]:
    latencies = []
    for request, moment in enumerate(due):
        wait_until(moment)
        begin = clock()
        call(request)
        latencies.append(clock() - begin)
    return latencies


def _verify_late_clock(answer: Callable[..., Any]) -> str:
    require_function(answer, "a schedule, call, clock and wait_until")
    random = np.random.default_rng()
    due = np.arange(40) / 10
    seconds = random.uniform(0.01, 0.05, 40)
    seconds[10] = 1.0  # the service stands still once
    service = _Service(seconds)
    given = np.asarray(answer(due, service.call, service.clock, service.wait_until), float)
    if service.called != list(range(40)):
        raise NotYetError(f"all 40 requests must be sent, each once; sent were {service.called}")
    if given.shape != (40,):
        raise NotYetError(f"40 requests have 40 latencies; the shape is {given.shape}")
    truth = np.array(_timed(due, *_fresh(seconds)))
    if np.allclose(given, truth):
        return "right: one stop of a second, and a dozen users who waited for it"
    _name_late_clock(given, truth, due, seconds)
    raise NotYetError(
        f"request 11 was due at 1.1 s and took {truth[11]:.2f} s, not {given[11]:.2f}"
    )


def _fresh(seconds: np.ndarray) -> tuple[Any, Any, Any]:
    service = _Service(seconds)
    return service.call, service.clock, service.wait_until


def _name_late_clock(
    given: np.ndarray, truth: np.ndarray, due: np.ndarray, seconds: np.ndarray
) -> None:
    typical = (
        (
            seconds,
            "only one request looks slow: those that could not be sent on time are counted from "
            "when they were sent at last",
        ),
        (truth - seconds, "that is how late each was sent; its own time comes on top"),
        (truth + due, "that is when each was done: subtract when it was due"),
        (np.cumsum(seconds), "wait until each is due: users do not come before their time"),
    )
    for known, reason in typical:
        if np.allclose(given, known):
            raise NotYetError(reason)


def _impatient(due: Any, call: Any, clock: Any, wait_until: Any) -> list[float]:
    done = []
    for request, _ in enumerate(due):
        call(request)
        done.append(clock())
    return done


LATE = (
    "def answer(due, call, clock, wait_until):\n"
    '    """The latency of each request of a schedule, a list of seconds."""\n'
    "    latencies = []\n"
    "    for request, moment in enumerate(due):\n"
    "        wait_until(moment)\n"
    "        begin = clock()\n"
    "        call(request)\n"
    "        latencies.append(clock() - begin)\n"
    "    return latencies\n\n"
)


def _late_clock() -> Exercise:
    return Exercise(
        name="a clock that is set too late",
        difficulty=2,
        minutes=8,
        verify=_verify_late_clock,
        hints=(
            "if one call takes a second, when are the next ones sent, and when were they due?",
            "count from the moment of the schedule",
        ),
        worked=(
            "def answer(due, call, clock, wait_until):\n"
            "    latencies = []\n"
            "    for request, moment in enumerate(due):\n"
            "        wait_until(moment)\n"
            "        call(request)\n"
            "        latencies.append(clock() - moment)  # from when it was due\n"
            "    return latencies"
        ),
        broken=LATE,
        example=_timed,
        mistakes=(
            (_timed_late, "sent at last"),
            (lambda due, *rest: np.add(_timed(due, *rest), due), "subtract when"),
            (_impatient, "before their time"),
            (lambda due, call, clock, wait: [call(k) for k in range(9)], "each once"),
            (lambda due, *rest: sum(_timed(due, *rest)), "the shape"),
            (lambda due, *rest: np.multiply(_timed(due, *rest), 2), "request 11"),
            (0.5, "is a function"),
        ),
    )
