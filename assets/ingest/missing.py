"""A column that a file lacks."""

from collections.abc import Sequence

from assets.ingest.files import InputFile
from warehouse.errors import AudoticsError
from warehouse.wording import shortened


class MissingColumnError(AudoticsError):
    """A file lacks the columns of a field.

    Args:
        file: the file.
        field: the field.
        columns: what it lacks, all of them.
        names: the columns that it has; empty for not saying it.
        advice: what else may help.
    """

    def __init__(
        self, file: InputFile, field: str, columns: Sequence[str], names: Sequence[str] = (), advice: str = ""
    ) -> None:
        lacks = " and ".join(map(repr, columns))
        self._lacks = f"{file} has no column {lacks}" if len(columns) == 1 else f"{file} lacks {lacks}"
        self._has = f"; it has {shortened(', '.join(names))}" if names else ""
        self._field = field
        super().__init__(
            f"{self._lacks}, which the mapping names for {field}{self._has}."
            f" {advice or f'Correct the mapping, or add {field!r} to its `optional` list if some files lack it'}"
        )

    def of_format(self, name: str) -> AudoticsError:
        """Return the error for a format, whose mapping nobody can correct."""
        return AudoticsError(
            f"{self._lacks}, where the format {name} has {self._field}{self._has}. Check that it is a file of listens"
            " of this format, or say with --mapping what its columns mean"
        )
