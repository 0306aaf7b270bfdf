"""Two things beside pyproject.toml: lessons in the wheel, and a README that can be read on PyPI.

An editable install reads the lessons in notebooks/; the image of the service is built without them.
"""

import re
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

LESSONS = Path(__file__).parent / "notebooks"
PATTERN = "[0-9][0-9]_*.ipynb"
RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)[^)\s]+(?=\))")


class BuildWithLessons(build_py):
    """Copies notebooks/ to ftlearn/notebooks in the build, for `ftlearn lessons`."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "ftlearn" / "notebooks"
        shutil.rmtree(target, ignore_errors=True)
        for path in (*LESSONS.glob(PATTERN), *LESSONS.glob(f"[a-z][a-z]/{PATTERN}")):
            copy = target / path.relative_to(LESSONS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


class Course(Distribution):
    """Turns the relative links of the README, which lead nowhere on PyPI, into addresses."""

    def parse_config_files(self, *arguments, **options) -> None:
        super().parse_config_files(*arguments, **options)
        address = self.metadata.project_urls["Repository"]

        def absolute(link: re.Match[str]) -> str:
            kind = "raw" if link[0].endswith(".png") else "blob"
            return f"{address}/{kind}/HEAD/{link[0]}"

        text = self.metadata.long_description
        self.metadata.long_description = RELATIVE_LINK.sub(absolute, text)


setup(distclass=Course, cmdclass={"build_py": BuildWithLessons})
