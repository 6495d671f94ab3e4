"""Bring the warehouse's tables to the version this code expects."""

from pathlib import Path

import alembic.command
import psycopg2
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.locks import Lock, acquire
from warehouse.roles import require_roles

# Not Alembic's default name: Dagster's run storage keeps a table of that name in the same database.
VERSION_TABLE = "audotics_migrations"
_UPGRADE_LOCK = Lock("168624129", "migrating")


def upgrade(url: str) -> None:
    """Apply every pending migration in one transaction, or none.

    Safe to call from several processes at once: the second one waits and then finds nothing to do.

    Raises:
        AudoticsError: the server cannot be reached or refuses a statement, the database was migrated by a newer
            version of the code, its user may not create the roles or work as them, or another session has the lock of
            migrations for too long.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            acquire(connection.connection.cursor(), _UPGRADE_LOCK)
            waiting = _pending(connection)
            require_roles(connection, pending=bool(waiting))
            if not waiting:
                return
            config = _config()
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    except (DBAPIError, psycopg2.Error) as error:
        raise _refused(error) from error
    finally:
        engine.dispose()


def pending(url: str) -> list[str]:
    """Revision ids not yet applied, oldest first; empty when the warehouse is up to date.

    Raises:
        AudoticsError: as `upgrade`.
    """
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return _pending(connection)
    except DBAPIError as error:
        raise _refused(error) from error
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    # Alembic reads options through ConfigParser, where a percent sign starts an interpolation.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    return config


def _pending(connection: Connection) -> list[str]:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    applied = context.get_current_heads()
    scripts = ScriptDirectory.from_config(_config())
    try:
        newest_first = [script.revision for script in scripts.iterate_revisions("heads", applied or "base")]
    except ResolutionError as error:
        raise AudoticsError(
            f"The warehouse is at migration {', '.join(applied)}, which this version of audotics does not "
            "know: install the version that created it, or newer."
        ) from error
    return newest_first[::-1]


def _refused(error: DBAPIError | psycopg2.Error) -> AudoticsError:
    reason = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    return AudoticsError(
        f"Cannot migrate the warehouse: {reason}. Check the warehouse URL and that PostgreSQL is running."
    )
