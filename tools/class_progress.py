"""The progress of a class as one HTML page, from a folder of the files that learners exported.

python -m tools.class_progress handed-in --output class.html
python -m tools.class_progress handed-in --language zh
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ftlearn.course import class_page
from ftlearn.errors import FtlearnError
from ftlearn.language import LANGUAGES


def main(arguments: list[str] | None = None) -> int:
    """Write the page, and say what is wrong with which file; 1 if nothing could be written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the files that learners exported")
    parser.add_argument("--output", type=Path, default=Path("class.html"), help="the page")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier page")
    parser.add_argument(
        "--language", choices=("en", *LANGUAGES), help="the page's; FTLEARN_LANG by default"
    )
    options = parser.parse_args(arguments)
    try:
        progress = class_page.write_page(
            options.folder,
            options.output,
            overwrite=options.overwrite,
            language=options.language,
        )
    except (OSError, FtlearnError) as error:
        print(error, file=sys.stderr)
        return 1
    for file, reason in progress.faults:
        print(f"{file} {reason}", file=sys.stderr)
    print(f"{options.output}: {len(progress.learners)} learners")
    return 0


if __name__ == "__main__":
    sys.exit(main())
