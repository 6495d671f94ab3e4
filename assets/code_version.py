"""Which code makes the lists: a digest, noted with them, by which a replay knows that it runs other code."""

import hashlib
from importlib.metadata import version
from pathlib import Path

_ASSETS = Path(__file__).parent
_FOLDERS = ("candidates", "features", "ranker", "recommendations")
_GROUND_FLOOR = ("catalogue.py", "listens.py", "pairs.py", "recordings.py", "slates.py")
# Their results may differ from release to release; numba and llvmlite compile the forest that scores.
_LIBRARIES = ("implicit", "lightgbm", "llvmlite", "numba", "numpy", "pandas", "scipy")
_LENGTH = 12


def code_version(features_version: str, folder: Path = _ASSETS) -> str:
    """Digest of the code of candidates and rankers, the libraries it computes with, and the version of the features.

    Another digest does not mean other lists, the same one means the same code.
    """
    digest = hashlib.sha256(features_version.encode())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    code = [path for name in _FOLDERS for path in (folder / name).rglob("*.py")]
    for path in sorted([*code, *(path for name in _GROUND_FLOOR for path in folder.glob(name))]):
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:_LENGTH]
