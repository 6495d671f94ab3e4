"""An export of a service: which of its files hold listens, how they are recognised, and what their columns mean."""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assets.ingest import mapping
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
    """

    name: str
    described: str
    keys: Mapping[str, Any]
    signs: tuple[str, ...]
    files: tuple[str, ...]
    others: tuple[str, ...] = ()

    def has_listens(self, name: str) -> bool:
        """Whether a file of this name is one of its files of listens."""
        return _fits(name, self.files) and not _fits(name, self.others)

    def recognises(self, head: bytes) -> bool:
        """Whether a file's first HEAD_BYTES are those of one of its files of listens."""
        text = head.decode("utf-8", "replace")
        return all(re.search(sign, text) for sign in self.signs)

    def source(self, user: str | None = None, folder: str | None = None) -> Tabular:
        """Return the reader.

        Args:
            user: whose listens they are, whatever the rows say.
            folder: whose listens those rows are that name nobody: the name of the folder that was given.

        Raises:
            AudoticsError: neither is given, and the format does not say whose listens they are.
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
        return Tabular(mapping.Mapping.model_validate(keys), "", self.name, self.has_listens)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
