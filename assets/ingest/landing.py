"""Load what lies in the landing folder; a file that cannot be loaded is set aside and holds up no other.

What lies there is never moved. A file that is set aside is tried again when its size, its time of change or what reads
it is another, or when somebody asks; one that could not be read for a fault of the disk or the store, by the next run
as well. See docs/adr/0037-set-aside.md.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from adbc_driver_postgresql import dbapi

from assets.ingest.archives import is_archive
from assets.ingest.connection import connect, may_pass, stops_every_load, tidy_up
from assets.ingest.known import loaded_from
from assets.ingest.landing_files import LandedFile, gone_from
from assets.ingest.landing_layout import Landed, landed
from assets.ingest.landing_ledger import Noted, forget_gone, note, read_landed
from assets.ingest.listing import printable
from assets.ingest.load import load_files
from assets.ingest.places import ChangedError
from assets.ingest.records import LoadReport
from assets.ingest.refusal import mostly_rejected
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.roles import Role


@dataclass
class Landing:
    """What a run made of the landing folder.

    Attributes:
        reports: of each file that is in the warehouse, those that were there before included.
        faults: of all that lies there, not only of what this run came to, by path.
    """

    reports: list[LoadReport] = field(default_factory=list)
    faults: list[Noted] = field(default_factory=list)


@dataclass(frozen=True)
class _Outcome:
    """What became of a file.

    Attributes:
        fault: what is wrong with it, or with what was loaded of it.
        refused: why it could not be loaded; of an archive, each of its files that could not.
    """

    fault: str | None
    refused: list[AudoticsError] = field(default_factory=list)

    @property
    def is_set_aside(self) -> bool:
        """Whether trying again is of no use: of an archive, for none of its files."""
        return bool(self.refused) and not any(map(_may_pass, self.refused))


def _may_pass(error: AudoticsError) -> bool:
    return isinstance(error, ChangedError) or may_pass(error.__cause__)


def load_landed(
    warehouse_url: str,
    landing: Path | str,
    loaded_by: str | None = None,
    *,
    only: Collection[str] | None = None,
    retry: bool = False,
) -> Landing:
    """Load what lies in the landing folder; files that are in the warehouse already are reported as such.

    Whatever is wrong with a file, or with where it lies, is noted in raw.landed_files and returned; it raises nothing.
    Several processes may do so at the same time: no file is loaded twice, and nobody waits longer than one load takes.

    Args:
        only: the paths, as they are noted, of the files to come to, with their drop where they are mappings or
            profiles; by default all.
        retry: also try what is set aside.

    Raises:
        AudoticsError: the landing folder itself cannot be read, or the warehouse fails.
    """
    done = Landing()
    with connect(warehouse_url) as connection, create_engine(warehouse_url, Role.LOADER).connect() as ledger:
        noted = read_landed(ledger)
        lying = landed(landing, noted)
        forget_gone(ledger, gone_from(noted, [each.file for each in lying]))
        ledger.commit()
        for each in _wanted(lying, only):
            before = noted.get(each.file.path)
            if before is not None and before.is_set_aside and before.is_of(each) and not retry:
                done.reports += _loaded_before(connection, each.file)
                continue
            outcome = _load(warehouse_url, connection, each, loaded_by, done.reports)
            if before is None or outcome.refused or not before.is_of(each) or before.fault != outcome.fault:
                note(ledger, each, outcome.fault, outcome.is_set_aside)
                ledger.commit()
        done.faults = list(read_landed(ledger, only_faults=True).values())
        tidy_up(connection)
    return done


def _wanted(lying: list[Landed], only: Collection[str] | None) -> list[Landed]:
    if only is None:
        return lying
    asked = set(only)
    drops = {each.drop for each in lying if each.file.path in asked and each.opened is None and each.fault is None}
    return [each for each in lying if each.file.path in asked or each.drop in drops]


def _load(
    warehouse_url: str,
    connection: dbapi.Connection,
    landed: Landed,
    loaded_by: str | None,
    reports: list[LoadReport],
) -> _Outcome:
    """Load one file, or what is in one archive."""
    if landed.opened is None:
        return _Outcome(landed.fault)
    refused: list[AudoticsError] = []
    loaded: list[LoadReport] = []
    try:
        source, listing = landed.opened()
        loaded = load_files(
            warehouse_url, source, [listing], refused=refused, loaded_by=loaded_by, connection=connection
        )
    except AudoticsError as error:
        if stops_every_load(error.__cause__):
            raise
        refused.append(error)
    reports += loaded
    faults = [str(error) for error in refused] + [told for each in loaded if (told := mostly_rejected(each))]
    return _Outcome("; ".join(faults) or None, refused)


def _loaded_before(connection: dbapi.Connection, file: LandedFile) -> list[LoadReport]:
    """The loads of what could be loaded of an archive that is set aside; of another file there are none."""
    if not is_archive(file.relative):
        return []
    address = file.path if "://" in file.path else os.path.realpath(file.given)
    return loaded_from(connection, file.path, printable(address), f"{file.size} {file.version}")
