"""``python -m ftlearn``, as a launcher of several processes starts it."""

from __future__ import annotations

import sys

from ftlearn.cli import main

if __name__ == "__main__":
    sys.exit(main())
