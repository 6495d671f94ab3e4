"""What a night did, from what its assets reported: files that had landed, and the release."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from orchestration.runs import RunReport
from warehouse.wording import about, counted

_COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rows_left_out")


@dataclass
class LandedFolder:
    """The files of one folder of the landing folder and of one format.

    files: those loaded now, whose rows are counted. loaded_before: files that a run had loaded before.
    """

    folder: str
    format: str
    files: int = 0
    loaded_before: int = 0
    rows_read: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_left_out: int = 0

    def line(self) -> str:
        """For people."""
        before = f"{counted(self.loaded_before, 'file')} loaded before" if self.loaded_before else ""
        now = (
            f"{counted(self.files, 'file')}, {counted(self.rows_read, 'row')} read, {self.rows_loaded:,} loaded,"
            f" {self.rows_rejected:,} rejected, {self.rows_duplicate:,} duplicate"
            + (f", {self.rows_left_out:,} left out" if self.rows_left_out else "")
            if self.files
            else ""
        )
        return f"{self.folder} ({self.format}): {'; '.join(part for part in (now, before) if part)}"


@dataclass(frozen=True)
class Night:
    """A run of the nightly job.

    not_loaded: what lies in the landing folder and is set aside or has another fault, each with its reason.
    release: what it made live, or found live already as it would have made it; None where a release of a later date is
    live, which stays. live_release: what is live after it. not_published: why nothing was, None where something was.
    repaired: what was damaged of a release that Redis held, and is loaded again; None where nothing was. left_out: what
    was not trained and what the release does not hold, a line each, and why.
    """

    report: RunReport
    landed: list[LandedFolder]
    not_loaded: dict[str, str]
    release: str | None
    live_release: str
    not_published: str | None
    repaired: str | None
    left_out: list[str]

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        return {
            **self.report.as_json(),
            "landed": [asdict(folder) for folder in self.landed],
            "not_loaded": [{"file": file, "reason": reason} for file, reason in self.not_loaded.items()],
            "release": self.release,
            "live_release": self.live_release,
            "not_published": self.not_published,
            "repaired": self.repaired,
            "left_out": self.left_out,
        }

    def landed_lines(self) -> list[str]:
        """What became of the landing folder, for people."""
        lines = [folder.line() for folder in self.landed]
        return lines + [f"not loaded: {about(file, reason)}" for file, reason in self.not_loaded.items()]

    def release_lines(self) -> list[str]:
        """What became of the release, for people."""
        lines = [f"{self.repaired}; it is loaded again"] if self.repaired else []
        if self.not_published:
            lines.append(f"lists made as of {self.report.as_of}; {self.not_published}, and stays live")
        else:
            lines.append(f"release {self.release} is live")
        return lines + self.left_out


def night(report: RunReport, landing: str) -> Night:
    """What a finished run of the nightly job did; `landing` is the landing folder, from which folders are named."""
    files, not_loaded = (_rows(report, name) for name in ("files", "not_loaded"))
    published = {name: value.value for name, value in report.materialized["release"].items()}
    release = str(published["release"]) if published["published"] else None
    return Night(
        report,
        landed_folders(files, landing),
        {str(row["file"]): str(row["reason"]) for row in not_loaded},
        release,
        live_release=release or str(published["live_release"]),
        not_published=None if release else str(published["not_published"]),
        repaired=str(published["repaired"]) if published["repaired"] != "none" else None,
        left_out=_left_out(report),
    )


def _rows(report: RunReport, name: str) -> list[Mapping[str, Any]]:
    """A table that raw/ingest_files reported."""
    table = report.materialized["raw/ingest_files"][name]
    assert isinstance(table, dg.TableMetadataValue)
    return [record.data for record in table.records]


def _left_out(report: RunReport) -> list[str]:
    """The lines of what trains and of what publishes, of either where it was in the run."""
    of_steps = [report.materialized.get(step, {}).items() for step in ("rankers", "release")]
    said = [str(value.value) for entries in of_steps for name, value in entries if name.endswith("left_out")]
    return [line for each in said for line in each.splitlines()]


def landed_folders(files: list[Mapping[str, Any]], landing: str) -> list[LandedFolder]:
    """The reports of files, as in the metadata of raw/ingest_files, added up by folder and format, in their order."""
    folders: dict[tuple[str, str], LandedFolder] = {}
    for file in files:
        *folder_parts, _ = str(file["file"]).removeprefix(f"{landing.rstrip('/')}/").split("/")
        key = "/".join(folder_parts[:2]), str(file["format"])
        folder = folders.setdefault(key, LandedFolder(*key))
        if file["already_loaded"]:
            folder.loaded_before += 1
            continue
        folder.files += 1
        for name in _COUNTS:
            setattr(folder, name, getattr(folder, name) + file[name])
    return list(folders.values())
