"""The analysts' way in: the password of their role, and the URL that carries it."""

import secrets
from contextlib import closing
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import filelock
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

from warehouse.connections import CONNECT_TIMEOUT_SECONDS, plain_url
from warehouse.errors import AudoticsError
from warehouse.local.home import write_private
from warehouse.roles import Role
from warehouse.settings import Settings

PASSWORD_FILE = "analyst_password"
# Of a connection string, what belongs to the user who connects and not to the server.
_PERSONAL = {"user", "password", "passfile", "options", "sslcert", "sslkey", "sslpassword", "sslcertmode", "dbname"}


def analyst_url(settings: Settings, warehouse_url: str, *, rotate: bool = False) -> str:
    """Return a URL with which analysts can connect to the migrated warehouse now.

    The password is made once, or again with `rotate`, and kept in a file of the home that only its owner reads. It is
    set only where the server does not accept it yet, so a second call changes nothing.

    Raises:
        AudoticsError: the home cannot be written, the warehouse's user may not set the password, or the server does
            not let the role in.
    """
    path = settings.home / PASSWORD_FILE
    try:
        with filelock.FileLock(settings.home / f".{PASSWORD_FILE}.lock"):
            known = None if rotate or not path.exists() else path.read_text(encoding="utf-8").strip()
            password = known or secrets.token_hex(24)
            if not known:
                # Written first: a password that only the server knows would be lost.
                write_private(path, password + "\n")
            url = _url(warehouse_url, password)
            if _refusal(url) is not None:
                _set_password(warehouse_url, password)
    except OSError as error:
        raise AudoticsError(f"cannot use {path} ({error.strerror}); set AUDOTICS_HOME to a folder you own") from error
    if reason := _refusal(url):
        raise AudoticsError(f"PostgreSQL does not let {Role.ANALYST} in: {reason}; change that on the server")
    return url


def _url(warehouse_url: str, password: str) -> str:
    parts = urlsplit(plain_url(warehouse_url))
    with closing(psycopg2.connect(plain_url(warehouse_url), connect_timeout=CONNECT_TIMEOUT_SECONDS)) as connection:
        # Without one in the URL, libpq takes the user's name for the database's.
        database = connection.info.dbname
    query = urlencode(
        [(name, value) for name, value in parse_qsl(parts.query) if name not in _PERSONAL], quote_via=quote
    )
    host = parts.netloc.rpartition("@")[2]
    return f"postgresql://{Role.ANALYST}:{password}@{host}/{quote(database, safe='')}" + (f"?{query}" if query else "")


def _refusal(url: str) -> str | None:
    """What the server says to somebody who connects with this URL; None when it lets them in."""
    try:
        psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
    except psycopg2.OperationalError as error:
        return " ".join(str(error).split())
    return None


def _set_password(warehouse_url: str, password: str) -> None:
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
    with closing(psycopg2.connect(plain_url(warehouse_url), connect_timeout=CONNECT_TIMEOUT_SECONDS)) as connection:
        # Hashed here, so that the password itself is in no log of the server and no setting weakens the hash.
        verifier = encrypt_password(password, Role.ANALYST, scope=connection, algorithm="scram-sha-256")
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement.format(sql.Identifier(Role.ANALYST), sql.Literal(verifier)))
        except psycopg2.errors.InsufficientPrivilege as error:
            user = connection.info.user
            raise AudoticsError(
                f"the warehouse's user {user} may not set the password of {Role.ANALYST}; have an administrator of the"
                f" server run `ALTER ROLE {user} CREATEROLE` and `GRANT {Role.ANALYST} TO {user} WITH ADMIN OPTION`"
            ) from error
