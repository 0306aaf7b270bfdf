"""A release is made only of what was checked, and nothing leaves before the one confirmation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools import release
from tools.release import Release, ReleaseError

FILES = {
    "pyproject.toml": 'version = "0.5.0"\n',
    "ftlearn/__init__.py": '__version__ = "0.5.0"\n',
    "CITATION.cff": 'version: "0.5.0"\n',
    "CHANGELOG.md": "# Changelog\n\n## [0.5.0] - 2026-11-30\n\n## [0.4.0] - 2026-01-01\n",
    "constraints.txt": "",
}
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *words: str) -> str:
    return release.run("git", *words, folder=folder)


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """Git with a name and without the settings of this machine."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Nobody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "nobody@example.org")


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository whose main is pushed to a bare one beside it."""
    folder, remote = tmp_path / "repository", tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    git(folder, "remote", "add", "origin", str(remote))
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    commit(folder)
    git(folder, "tag", "v0.4.0")
    return folder


def commit(folder: Path, *, push: bool = True) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")
    if push:
        git(folder, "push", "--quiet", "origin", "main")


@dataclass
class Recorder:
    """Runs git, and only notes the other commands; they leave what they would leave."""

    failing: str = ""
    installed: str = "0.5.0"
    commands: list[str] = field(default_factory=list)

    def __call__(self, *command: str | Path, folder: Path, shown: bool = False) -> str:
        words = " ".join(map(str, command)).replace(sys.executable, "python")
        self.commands.append(words)
        if self.failing and self.failing in words:
            raise ReleaseError(f"{words} failed")
        if command[0] == "git":
            return release.run(*command, folder=folder)
        if "-m build" in words:
            for name in ("ftlearn-0.5.0-py3-none-any.whl", "ftlearn-0.5.0.tar.gz"):
                (Path(command[-1]) / name).parent.mkdir(exist_ok=True)
                (Path(command[-1]) / name).write_text("x")
        if "lessons lessons" in words:
            (folder / "lessons").mkdir()
            (folder / "lessons" / "02_loss.ipynb").touch()
        return self.installed if "__version__" in words else ""

    def position(self, words: str) -> int:
        """Where a command with these words was run; an error if it was not."""
        (place,) = (at for at, command in enumerate(self.commands) if words in command)
        return place


def released(repository: Path, runner: Recorder, answer: str = "0.5.0", **settings) -> bool:
    """Make the release and answer the question; the lines it says are kept in the runner."""
    questions = []

    def ask(question: str) -> str:
        questions.append(question)
        assert remote_tags(repository) == ""
        assert not any(
            "twine upload" in command or "git push" in command for command in runner.commands
        )
        return answer

    plan = Release("0.5.0", repository, runner, say=lambda line: None)
    published = release.make(plan, ask, **settings)
    assert len(questions) == (0 if settings.get("dry_run") else 1)
    return published


def remote_tags(repository: Path) -> str:
    return git(repository, "ls-remote", "--tags", "origin", "v0.5.0")


def test_after_all_checks_and_one_answer_it_is_tagged_uploaded_and_pushed(repository):
    runner = Recorder()
    assert released(repository, runner)
    order = ["make test", "-m build", "twine check", "pip install", "ftlearn doctor"]
    order += ["jupyter execute", "git tag --annotate", "twine upload", "git push"]
    places = [runner.position(words) for words in order]
    assert places == sorted(places)
    head = git(repository, "rev-parse", "HEAD")
    assert git(repository, "rev-parse", "v0.5.0^{commit}") == head
    assert remote_tags(repository)


@pytest.mark.parametrize("answer", ["", "y", "yes", "0.5.1"])
def test_any_other_answer_publishes_nothing(repository, answer):
    runner = Recorder()
    assert not released(repository, runner, answer)
    assert "v0.5.0" not in git(repository, "tag")
    assert not any("twine upload" in command for command in runner.commands)


def test_a_dry_run_checks_everything_and_asks_nothing(repository):
    runner = Recorder()
    assert not released(repository, runner, dry_run=True)
    assert runner.position("jupyter execute")
    assert "v0.5.0" not in git(repository, "tag")
    assert not any(
        "twine upload" in command or "git push" in command for command in runner.commands
    )


@pytest.mark.parametrize(
    "step", ["make test", "-m build", "twine check", "pip install", "doctor", "jupyter execute"]
)
def test_a_step_that_fails_ends_it_before_the_question(repository, step):
    runner = Recorder(failing=step)
    with pytest.raises(ReleaseError, match="failed"):
        release.make(Release("0.5.0", repository, runner, say=print), pytest.fail)
    assert "v0.5.0" not in git(repository, "tag")


def test_a_wheel_of_another_version_is_refused(repository):
    with pytest.raises(ReleaseError, match=r"holds version 0\.4\.9"):
        released(repository, Recorder(installed="0.4.9"))


def test_tests_that_change_files_are_refused(repository):
    class Untidy(Recorder):
        def __call__(self, *command, folder, shown=False):
            if command[0] == "make":
                (folder / "left.txt").touch()
            return super().__call__(*command, folder=folder, shown=shown)

    with pytest.raises(ReleaseError, match=r"changed files of the repository:\n.*left.txt"):
        released(repository, Untidy())


def test_a_failed_upload_leaves_no_tag(repository):
    with pytest.raises(ReleaseError, match="twine upload"):
        released(repository, Recorder(failing="twine upload"))
    assert "v0.5.0" not in git(repository, "tag")
    assert remote_tags(repository) == ""


def test_a_tree_with_changes_is_refused(repository):
    (repository / "new.txt").touch()
    with pytest.raises(ReleaseError, match=r"not clean[^\n]*\n.*new.txt"):
        released(repository, Recorder())


def test_another_branch_and_commits_that_were_not_pushed_are_refused(repository):
    (repository / "new.txt").touch()
    commit(repository, push=False)
    with pytest.raises(ReleaseError, match="main here and on origin differ"):
        released(repository, Recorder())
    git(repository, "push", "--quiet", "origin", "main")
    git(repository, "switch", "--quiet", "--create", "other")
    with pytest.raises(ReleaseError, match="the branch is other"):
        released(repository, Recorder())


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ("next", "is no version"),
        ("0.5", "pyproject.toml has version 0.5.0: write 0.5"),
        ("0.05.0", "is written 0.5.0 on PyPI"),
        ("0.4.0", "not newer than 0.4.0"),
        ("0.3.9", "not newer than 0.4.0"),
        ("0.6.0", "pyproject.toml has version 0.5.0"),
    ],
)
def test_a_version_that_cannot_be_released_is_refused(repository, version, complaint):
    with pytest.raises(ReleaseError, match=complaint):
        release.check_versions(Release(version, repository))


@pytest.mark.parametrize("name", sorted(FILES.keys() - {"constraints.txt"}))
def test_a_file_with_another_version_is_named(repository, name):
    (repository / name).write_text(FILES[name].replace("0.5.0", "0.5.1"))
    with pytest.raises(ReleaseError, match=f"{name} has version 0.5.1"):
        release.check_versions(Release("0.5.0", repository))


def test_a_changelog_without_a_date_is_refused(repository):
    (repository / "CHANGELOG.md").write_text("## [0.5.0] - unreleased\n")
    with pytest.raises(ReleaseError, match=r"gives 0\.5\.0 no date"):
        release.check_versions(Release("0.5.0", repository))


def test_the_patterns_find_the_version_of_this_repository():
    versions = subprocess.run(
        [sys.executable, "-c", "import ftlearn; print(ftlearn.__version__)"],
        cwd=release.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name, pattern in release.VERSIONS.items():
        text = (release.ROOT / name).read_text(encoding="utf-8")
        assert release.re.search(pattern, text, release.re.MULTILINE)[1] == versions.stdout.strip()


def test_a_command_that_fails_is_named_with_its_error(tmp_path):
    with pytest.raises(ReleaseError, match=r"ended with 3: no$"):
        release.run(
            sys.executable,
            "-c",
            "import sys; print('no', file=sys.stderr); sys.exit(3)",
            folder=tmp_path,
        )


def test_the_command_line_ends_with_an_error_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["release", "0.5.0"])

    def refuse(*arguments, **settings):
        raise ReleaseError("the tree is not clean")

    monkeypatch.setattr(release, "make", refuse)
    assert release.main() == 2
    assert capsys.readouterr().err == "error: the tree is not clean\n"
