"""Which code the feature models are of, as far as what they are built from has been built by it."""

import hashlib
from pathlib import Path

from sqlalchemy import Connection, text

from assets.dbt_project import PROJECT, project_code
from assets.features.dates import MARTS

_BUILT = text("select model, definition from builds.models where model = any(:models) order by model")


def features_version(connection: Connection, project: Path = PROJECT) -> str:
    """Digest of the code of the feature models, and of that by which the models that they read were last built.

    Not of the code of the latter as it stands now: features that are built before those are would be taken for theirs.
    The role has to be the transformer's.

    Raises:
        AudoticsError: dbt cannot parse the project.
    """
    code = project_code(project)
    models = [f"model.audotics.{mart}" for mart in MARTS]
    read = sorted(set().union(*(code.read[model] for model in models)))
    built = [tuple(row) for row in connection.execute(_BUILT, {"models": read})]
    return hashlib.sha256(repr([[code.digests[model] for model in models], built]).encode()).hexdigest()[:12]
