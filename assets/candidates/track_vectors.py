"""The track vectors of ALS in the lake, so that what is made of the same listens in one night fits them once."""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from assets.candidates.als import AlsConfig, fit_track_vectors
from assets.candidates.history import History
from assets.listens import Floats
from warehouse.lake import Lake

_FOLDER = "track_vectors"


class StoredTrackVectors:
    """Fits track vectors, or finds those that were fitted on the same listens with the same config."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def __call__(self, history: History, config: AlsConfig) -> Floats:
        """As `fit_track_vectors`. Files that no run of the last days wrote are removed."""
        self._lake.expire(_FOLDER)
        path = f"{_FOLDER}/as_of={history.as_of.isoformat()}/{_digest(history, config)}.parquet"
        if not self._lake.exists(path):
            vectors = fit_track_vectors(history, config)
            flat = pa.array(vectors.ravel(), pa.float32())
            listed = pa.FixedSizeListArray.from_arrays(flat, config.factors)
            self._lake.write_parquet(path, [pa.table({"track_key": history.tracks, "vector": listed})])
        tables = self._lake.read_parquet(path, columns=["vector"])
        flat = np.concatenate([table["vector"].combine_chunks().flatten().to_numpy() for table in tables])
        return flat.reshape(-1, config.factors)


def _digest(history: History, config: AlsConfig) -> str:
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    plays = history.plays()
    for part in (history.users, history.tracks, plays.indptr, plays.indices, plays.data):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:12]
