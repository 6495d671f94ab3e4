"""An export of a service: which of its files hold listens, how they are recognised, and what their columns mean."""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assets.ingest import mapping
from assets.ingest.encodings import utf8_blocks
from assets.ingest.files import InputFile
from assets.ingest.json_rows import JsonRules
from assets.ingest.refusal import faults_named
from assets.ingest.spreadsheets import NOT_WHOLE
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

# Enough for the keys of a first row, wherever in it they stand.
HEAD_BYTES = 64 << 10


@dataclass(frozen=True, eq=False)
class Export:
    """A format by name.

    Attributes:
        name: as `--format` and raw.ingest_files have it.
        described: what it is, in a few words, for people.
        keys: what its columns mean, as in a mapping file; user_id where its rows name one.
        signs: regular expressions that the beginning of each of its files of listens fits, all of them.
        files: patterns of the names of its files of listens, letter case and a compression's suffix apart.
        others: patterns of the names of files that fit these and hold no listens.
        by_content: whether a file of such a name holds listens only if it fits the signs as well.
        needs_zone: whether its times are those of a clock in a zone that it does not say.
        json: what it says of rows of JSON beside its keys.
        outnumbering: two signs, of its rows and of those of other files that have some of its own: in the beginning of
            one of its files of listens the first is found more often than the second.
        earliest: before when the service takes no listen, as it says.
        sources: names of their own for the sources of some of its files, by a sign of these.
    """

    name: str
    described: str
    keys: Mapping[str, Any]
    signs: tuple[str, ...]
    files: tuple[str, ...]
    others: tuple[str, ...] = ()
    by_content: bool = False
    needs_zone: bool = False
    json: JsonRules | None = None
    outnumbering: tuple[str, str] | None = None
    earliest: datetime | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def has_listens(self, name: str) -> bool:
        """Whether a file of this name, without the suffix of a compression, may be one of its files of listens."""
        return _fits(name, self.files) and not _fits(name, self.others)

    def holds_listens(self, file: InputFile) -> bool:
        """Whether a file is one of its files of listens, by its content as well where names do not tell."""
        return self.has_listens(file.plain_name) and (not self.by_content or self.recognises(head(file)))

    def recognises(self, beginning: str) -> bool:
        """Whether a file's `head` is that of one of its files of listens."""
        if not all(re.search(sign, beginning) for sign in self.signs):
            return False
        if self.outnumbering is None:
            return True
        ours, others = (len(re.findall(sign, beginning)) for sign in self.outnumbering)
        return ours > others

    def source_of(self, file: InputFile) -> str | None:
        """The source of a file's listens, where it is another than that of the others."""
        beginning = head(file)
        return next((source for sign, source in self.sources.items() if re.search(sign, beginning)), None)

    def source(self, user: str | None = None, folder: str | None = None, zone: str | None = None) -> Tabular:
        """Return the reader.

        Args:
            user: whose listens they are, whatever the rows say.
            folder: whose listens those rows are that name nobody: the name of the folder that was given.
            zone: the IANA zone of its times, where it needs one; without effect where it does not.

        Raises:
            AudoticsError: neither user nor folder is given, and the format does not say whose listens they are; or a
                zone is missing or unknown.
        """
        columns, constants = dict(self.keys["columns"]), dict(self.keys.get("constants", {}))
        named = columns.pop("user_id", None)
        optional = [field for field in self.keys.get("optional", ()) if field != "user_id"]
        if user is not None or (named is None and folder is not None):
            constants["user_id"] = user or folder
        elif named is None:
            raise AudoticsError(f"{self.described} does not say whose listens it holds; add --user NAME")
        else:
            columns["user_id"] = {"column": named, "default": folder}
            optional.append("user_id")
        keys = {**self.keys, "columns": columns, "constants": constants, "optional": optional}
        name = self.name
        if self.needs_zone:
            if zone is None:
                raise AudoticsError(
                    f"{self.described} does not say in which zone its clock was; say it with --zone, such as"
                    " --zone Europe/Berlin, or --zone UTC"
                )
            require_zone(zone, "--zone")
            # Read in another zone, a file is another file.
            keys["time"], name = {**self.keys["time"], "zone": zone}, f"{self.name}/{zone}"
        read = mapping.Mapping.model_validate(keys)
        source_of = self.source_of if self.sources else None
        return Tabular(read, "", name, self.holds_listens, self.json, self.earliest, source_of)


def require_zone(zone: str, said_by: str) -> None:
    """Make sure that there is a zone of that name.

    Raises:
        AudoticsError: there is not; begins with where it was said.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise AudoticsError(f"{said_by} {zone!r} is not an IANA zone such as Europe/Berlin") from error


def head(file: InputFile) -> str:
    """Return the beginning of a file as text: HEAD_BYTES, and of a workbook what it says of its sheets.

    Raises:
        AudoticsError: it cannot be read.
    """
    with faults_named(file):
        if file.plain_name.lower().endswith(".xlsx"):
            return _sheets(file)
        with file.open() as stream:
            # As the readers decode it.
            return next(utf8_blocks(stream, None, HEAD_BYTES), b"").decode("utf-8", "replace")


def _sheets(file: InputFile) -> str:
    try:
        with file.random_access() as stored, ZipFile(stored) as packed, packed.open("xl/workbook.xml") as stream:
            return stream.read(HEAD_BYTES).decode("utf-8", "replace")
    except NOT_WHOLE:
        # Nobody knows whether it is one of listens.
        return ""


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
