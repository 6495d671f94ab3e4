"""Query results as data frames."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from adbc_driver_postgresql import dbapi


def fetch_frame(connection: dbapi.Connection, query: str, keys: npt.NDArray[np.integer] | None = None) -> pd.DataFrame:
    """The rows of a query, in which $1 stands for the int32 `keys` as an array where these are given."""
    with connection.cursor() as cursor:
        if keys is None:
            cursor.execute(query)
        else:
            listed = pa.array([keys], type=pa.list_(pa.int32()))
            cursor.execute(query, parameters=pa.record_batch([listed], names=["keys"]))
        frame: pd.DataFrame = cursor.fetch_arrow_table().to_pandas()
    return frame
