"""A workbench for training runs: named, stored side by side, rewound and branched.

settings ──begin──▶ Record ──train──▶ steps, evaluations, snapshots ──▶ compare, code, CSV
                       ▲                                   │
                       └───────────── branch ◀─────────────┘
"""

from __future__ import annotations

from ftlearn.experiments.control import Control
from ftlearn.experiments.record import Record, Stage
from ftlearn.experiments.snapshot import Snapshot, SnapshotCache, resume, snapshot
from ftlearn.experiments.workbench import Workbench

__all__ = [
    "Control",
    "Record",
    "Snapshot",
    "SnapshotCache",
    "Stage",
    "Workbench",
    "resume",
    "snapshot",
]
