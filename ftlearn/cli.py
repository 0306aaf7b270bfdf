"""The command line: ``ftlearn doctor``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="ftlearn", description="How pretrained language models are fine-tuned."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("doctor", help="say in plain words whether this machine is ready")
    parser.parse_args(arguments)
    return doctor()


def doctor() -> int:
    """Print the checks of ``ftlearn.doctor``; 0 when the first lesson will run."""
    from ftlearn.doctor import examine  # torch is loaded only when a command needs it

    findings = examine()
    for finding in findings:
        print(finding)
    return 0 if all(finding.fine for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
