"""Bring the warehouse's tables to the version this code expects, and tell whether they are there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import alembic.command
import psycopg2
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from warehouse.engine import create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.locks import Lock
from warehouse.migrations import baseline
from warehouse.roles import require_roles
from warehouse.wording import counted

# Not Alembic's default name: Dagster's run storage keeps a table of that name in the same database.
VERSION_TABLE = "audotics_migrations"
_FOLDER = Path(__file__).parent / "migrations"
_LOCK = Lock("168624129", "migrating")
_BASELINE = text(f"SELECT obj_description(to_regclass('{VERSION_TABLE}'), 'pg_class')")


def upgrade(url: str) -> list[str]:
    """Apply every pending migration, each in a transaction of its own, and return their ids.

    A migration that fails leaves those before it, and the next call goes on from there. One that builds an index of a
    large table does that `CONCURRENTLY` in an `autocommit_block`, and says `IF NOT EXISTS`: what it has done is not
    undone. Safe to call from several processes at once: the second one waits and then finds nothing to do.

    Raises:
        AudoticsError: the server cannot be reached or refuses a statement, the database was migrated by a newer
            version of the code or made by another baseline, its user may not create the roles or work as them, or
            another session has the lock of migrations for too long.
    """
    with _readable_refusals(), exclusive(url, _LOCK), create_engine(url).connect() as connection:
        waiting = _pending(connection)
        require_roles(connection, pending=bool(waiting))
        # Alembic begins and ends the transactions.
        connection.rollback()
        if waiting:
            config = _config()
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    return waiting


def pending(url: str) -> list[str]:
    """Revision ids not yet applied, oldest first; empty when the warehouse is up to date.

    Raises:
        AudoticsError: as `upgrade`.
    """
    with _readable_refusals(), create_engine(url).connect() as connection:
        return _pending(connection)


def require_current(url: str, *, embedded: bool) -> None:
    """Refuse a warehouse whose tables are not those of this code: a migration is an operator's decision, who may want a
    backup first, and a quiet hour.

    A database of the embedded server that holds nothing of ours yet is set up on the spot.

    Raises:
        AudoticsError: migrations are pending, or as `upgrade`.
    """
    with _readable_refusals(), create_engine(url).connect() as connection:
        waiting = _pending(connection)
        if not waiting:
            require_roles(connection, pending=False)
            return
        new = not _applied(connection)
    if new and embedded:
        upgrade(url)
        return
    behind = "has no tables of audotics yet" if new else f"is {counted(len(waiting), 'migration')} behind"
    raise AudoticsError(f"The warehouse {behind}: run `audotics migrate`")


def _config() -> Config:
    config = Config()
    # Alembic reads options through ConfigParser, where a percent sign starts an interpolation.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _pending(connection: Connection) -> list[str]:
    applied = _applied(connection)
    scripts = ScriptDirectory.from_config(_config())
    try:
        newest_first = [script.revision for script in scripts.iterate_revisions("heads", applied or "base")]
    except ResolutionError as error:
        raise AudoticsError(
            f"The warehouse is at migration {', '.join(applied)}, which this version of audotics does not "
            "know: install the version that created it, or newer."
        ) from error
    if applied and connection.execute(_BASELINE).scalar_one() != baseline.DIGEST:
        raise AudoticsError(
            "The warehouse was made by another baseline of the schema, and has to be made again: `audotics down`, then"
            " move the home folder away; on a server of your own, take an empty database."
        )
    return newest_first[::-1]


def _applied(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()


@contextmanager
def _readable_refusals() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, psycopg2.Error) as error:
        reason = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
        raise AudoticsError(
            f"Cannot migrate the warehouse: {reason}. Check the warehouse URL and that PostgreSQL is running."
        ) from error
