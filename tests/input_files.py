"""Input files for readers in tests."""

from pathlib import Path

from assets.ingest.files import InputFile
from assets.ingest.listing import list_files


def input_file(given: Path | str) -> InputFile:
    """Return the one file at a path, as the loader would give it to a reader."""
    (file,) = list_files(given).files
    return file


def paths(files: list[InputFile]) -> list[Path]:
    """Return where the files lie."""
    return [Path(file.shown) for file in files]
