"""Rows a second that a ranker of the usual size scores: the compiled forest, LightGBM, treelite GTIL, ONNX Runtime.

treelite, onnxruntime and onnxmltools are not dependencies; what is not installed is left out. The rounds take turns, so
that whatever else the machine does falls on all alike; the best round counts.

    python -m benchmarks.forest --rows 400000
"""

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec

import lightgbm
import numpy as np
import numpy.typing as npt

from assets.ranker.forest.forest import read_forest

FEATURES, TREES, LEAVES = 54, 150, 15
THREADS = 2
ROUNDS = 4
Scored = Callable[[], npt.NDArray[np.floating]]


def main() -> None:
    """Prints a line for each library."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    rows: int = parser.parse_args().rows
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, FEATURES)).astype(np.float32)
    x[draw.random(x.shape) < 0.3] = np.nan
    model = trained(x[:20_000])
    found = scorers(model, x)
    best = dict.fromkeys(found, np.inf)
    expected = model.predict(x, num_threads=THREADS)
    for name, score in found.items():
        print(f"{name}: differs from LightGBM by {np.abs(score() - expected).max():.1e} at most")
    for _ in range(ROUNDS):
        for name, score in found.items():
            started = time.perf_counter()
            score()
            best[name] = min(best[name], time.perf_counter() - started)
    for name, seconds in best.items():
        print(
            f"{name}: {rows / seconds / 1e6:.2f} M rows/s, {seconds / best['forest']:.1f} times as long as the forest"
        )


def trained(x: npt.NDArray[np.float32]) -> lightgbm.Booster:
    """A model of the shape that rankers have, of labels that hang on several features."""
    known = np.nan_to_num(x)
    label = (known[:, 0] + known[:, 1] * known[:, 2] + np.abs(known[:, 3]) > 1).astype(int)
    parameters = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "seed": 1, "num_threads": THREADS}
    return lightgbm.train(parameters, lightgbm.Dataset(x, label), TREES)


def scorers(model: lightgbm.Booster, x: npt.NDArray[np.float32]) -> dict[str, Scored]:
    """What scores the rows, by name, converted and ready."""
    forest = read_forest(model.model_to_string())
    found: dict[str, Scored] = {
        "forest": lambda: forest.predict(x, threads=THREADS),
        "LightGBM": lambda: np.asarray(model.predict(x, num_threads=THREADS)),
    }
    if find_spec("treelite"):
        import treelite

        converted = treelite.frontend.from_lightgbm(model)
        found["treelite GTIL"] = lambda: treelite.gtil.predict(converted, x, nthread=THREADS).ravel()
    if find_spec("onnxruntime") and find_spec("onnxmltools"):
        import onnxmltools
        import onnxruntime
        from onnxmltools.convert.common.data_types import FloatTensorType

        graph = onnxmltools.convert_lightgbm(
            model, initial_types=[("x", FloatTensorType([None, FEATURES]))], zipmap=False
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
        found["ONNX Runtime"] = lambda: session.run(None, {"x": x})[1][:, 1]
    return found


if __name__ == "__main__":
    main()
