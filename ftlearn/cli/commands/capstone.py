"""``ftlearn capstone``: a folder that is begun, measured, graded and verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ftlearn.cli.options import DATA, RUN, grouped, option
from ftlearn.cli.output import Data, say, translated

capstone = typer.Typer(
    name="capstone",
    no_args_is_help=True,
    help="Hand in a project: a graded folder and a certificate that anyone can verify.",
)


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """The submitted folder."""

    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The submission.")]


@dataclass(frozen=True, kw_only=True)
class RawOptions:
    """The file that the work begins with, and its columns."""

    data: Annotated[
        Path | None,
        option(
            "Your labelled texts, or topics_zh: bundled articles in Chinese. By default bundled "
            "reviews as they would arrive.",
            DATA,
        ),
    ] = None
    text: Annotated[str, option("The column of texts.", DATA, "COLUMN")] = "text"
    label: Annotated[str, option("The column of labels.", DATA, "COLUMN")] = "label"
    source: Annotated[
        str | None,
        option("A column of what rows share: a customer, a product. It stays whole.", DATA),
    ] = None
    slice: Annotated[
        str | None, option("A column whose values are measured apart.", DATA, "COLUMN")
    ] = None


@dataclass(frozen=True, kw_only=True)
class GradeOptions:
    """What is drawn and what is written."""

    certificate: Annotated[
        Path | None, option("Write a certificate here, beside the folder.", RUN, "FILE")
    ] = None
    draw: Annotated[
        int | None,
        option("The seed of the fresh draw. By default the submission's hashes decide.", RUN),
    ] = None
    overwrite: Annotated[
        bool, option("Replace the --certificate file where it exists.", RUN, flag="--overwrite")
    ] = False


@dataclass(frozen=True, kw_only=True)
class CertificateOptions:
    """What is verified."""

    certificate: Annotated[
        Path, typer.Argument(metavar="CERTIFICATE", help="What `grade --certificate` wrote.")
    ]


@capstone.command()
@grouped
def new(folder: FolderOptions, raw: RawOptions) -> None:
    """Begin a submission: the raw file and a capstone.json to fill in.

    Example: `ftlearn capstone new mine --data letters.csv --text body --label department`
    """
    from ftlearn import capstone

    columns = {"text": raw.text, "label": raw.label, "source": raw.source, "slice": raw.slice}
    capstone.new(folder.folder, raw.data, **columns)
    say(f"{folder.folder!s} holds the raw file and capstone.json, whose words are yours to write")
    say(f"next: ftlearn capstone prepare {folder.folder!s}")


@capstone.command()
@grouped
def prepare(folder: FolderOptions) -> None:
    """Clean the raw file, count what is removed, and split it by source into data/."""
    from ftlearn import capstone

    say(capstone.prepare(folder.folder).to_string())
    data, runs = folder.folder / "data", folder.folder / "runs"
    say(
        f"next, with the seeds 0, 1 and 2: ftlearn fit {data / 'train.csv'} --valid "
        f"{data / 'valid.csv'} --test {data / 'test.csv'} --seed 0 --out {runs / '0'}"
    )


@capstone.command()
@grouped
def measure(folder: FolderOptions) -> None:
    """Measure every claim; write capstone.json, the model card and the data sheet."""
    from ftlearn import capstone

    submission = capstone.measure(folder.folder)
    say("errors on the validation rows; write a note on five or more of them into capstone.json:")
    say(capstone.errors(submission).round(3).to_string())
    say(f"next: ftlearn capstone grade {folder.folder!s}")


@capstone.command()
@grouped
def grade(folder: FolderOptions, options: GradeOptions) -> None:
    """Check twenty points by running the models, and score a fresh draw of the bundled task."""
    from ftlearn import capstone

    if options.certificate:
        result = capstone.certify(
            folder.folder, options.certificate, draw=options.draw, overwrite=options.overwrite
        )
    else:
        result = capstone.grade(folder.folder, draw=options.draw)
    for check in result.results:
        remedy = "" if check.passed else translated(f"; remedy: {check.remedy}")
        found = translated(check.found)
        say(Data(f"{int(check.passed)}  {check.name:<12} {found}{remedy}"))
    say(f"{result.points} of {len(result.results)} points")
    if result.fresh:
        say(result.fresh)


@capstone.command()
@grouped
def verify(folder: FolderOptions, certificate: CertificateOptions) -> None:
    """Grade a folder again and compare with its certificate; exit code 1 where they differ."""
    from ftlearn import capstone

    differences = capstone.verify(folder.folder, certificate.certificate)
    for difference in differences:
        say(difference)
    if differences:
        raise typer.Exit(1)
    say("the certificate holds: the same files, the same points, the same scores up to rounding")
