"""The baseline's digest, by which a database that was made by other statements is told apart."""

import hashlib
from io import StringIO

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from warehouse.migrations import baseline


def test_the_digest_is_that_of_the_statements() -> None:
    statements = StringIO()
    options = {"as_sql": True, "output_buffer": statements}
    with Operations.context(MigrationContext.configure(dialect_name="postgresql", opts=options)):
        baseline.create()
    assert "CREATE TABLE raw.listens" in statements.getvalue()
    assert hashlib.sha256(statements.getvalue().encode()).hexdigest()[:16] == baseline.DIGEST
