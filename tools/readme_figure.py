"""Copies the README's figure out of the lesson that draws it.

python -m tools.readme_figure            # write docs/shrinkage.png
"""

from __future__ import annotations

import base64
from pathlib import Path

from tools import notebooks

LESSON, CELL = "09", "shrinkage-figure"
FIGURE = notebooks.ROOT / "docs" / "shrinkage.png"


def pixels(path: Path, cell_id: str) -> bytes:
    """The stored image of a cell. Raises KeyError if there is no such cell or no image."""
    for cell in notebooks.executed_cells(notebooks.read(path)):
        for output in cell.outputs if cell.id == cell_id else []:
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"])
    raise KeyError(f"{path.name} has no cell {cell_id!r} with a stored image")


def main() -> None:
    """Write the figure."""
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_bytes(pixels(notebooks.find([LESSON])[0], CELL))


if __name__ == "__main__":
    main()
