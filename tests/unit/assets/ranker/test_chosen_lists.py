"""What another choice of lists makes stale, and what it does not."""

import shutil
from pathlib import Path

from assets.staleness import code_digest
from tests.repository import ROOT


def test_folds_are_not_stale_when_lists_are_made_in_another_way(tmp_path: Path) -> None:
    for folder in ("assets", "warehouse"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))

    def digests() -> list[str]:
        of_lists = ("assets.recommendations.lists", "assets.ranker.challenge", "assets.search.search")
        return [code_digest(module, root=tmp_path) for module in ("assets.ranker.folds", *of_lists)]

    folds, *before = digests()
    chosen = tmp_path / "assets/ranker/chosen_lists.py"
    other = chosen.read_text().replace("per_artist=20", "per_artist=10")
    assert other != chosen.read_text()
    chosen.write_text(other)
    same, *after = digests()
    assert same == folds
    assert all(old != new for old, new in zip(before, after, strict=True))
