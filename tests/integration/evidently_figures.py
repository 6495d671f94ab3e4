"""Prints as JSON what Evidently says of the columns of two Parquet files: {column: {method: figure}}.

    python evidently_figures.py REFERENCE CURRENT

Run by the Python of `evidently_environment`, which knows nothing of this project.
"""

import json
import sys

import pandas as pd
from evidently import Report
from evidently.metrics import ValueDrift

_METHODS = ("psi", "jensenshannon")


def main() -> None:
    """Measures every column by every method."""
    reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
    asked = [(name, method) for name in reference.columns for method in _METHODS]
    report = Report([ValueDrift(column=name, method=method) for name, method in asked])
    found = report.run(current, reference).dict()["metrics"]
    figures: dict[str, dict[str, float]] = {}
    for (name, method), each in zip(asked, found, strict=True):
        figures.setdefault(name, {})[method] = float(each["value"])
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
