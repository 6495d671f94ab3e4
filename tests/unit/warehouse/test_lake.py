"""What the lake forgets."""

import os
import time
from pathlib import Path

from warehouse.lake import KEPT_DAYS, Lake


def test_files_expire_some_days_after_they_were_written(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for path in ("candidates/as_of=2026-01-01/for_you.parquet", "candidates/as_of=2026-01-02/for_you.parquet"):
        lake.write_text(path, "x")
    lake.write_text("models/old.txt", "x")
    old = time.time() - (KEPT_DAYS * 86_400 + 60)
    for path in ("candidates/as_of=2026-01-01/for_you.parquet", "models/old.txt"):
        os.utime(tmp_path / path, (old, old))
    assert lake.expire("candidates") == ["candidates/as_of=2026-01-01/for_you.parquet"]
    assert lake.names("candidates/as_of=2026-01-02") == ["for_you.parquet"]
    assert lake.names("models") == ["old.txt"]
    assert lake.expire("nothing") == []
