"""What a load would bring, without a warehouse."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.ingest.files import InputFile
from assets.ingest.find import find_files
from assets.ingest.listing import Listing
from assets.ingest.parse import Parser
from assets.ingest.records import PROFILE_SCHEMA, Kind, ParseRules, Source
from assets.ingest.refusal import Tally, faults_named, most_frequent_first, refusal
from warehouse.errors import AudoticsError

ROWS_SHOWN = 10
_COLUMNS = ("line", "user_id", "listened_at", "artist_name", "title", "track_source_id", "ms_played", "skipped")


@dataclass(frozen=True)
class Preview:
    """What one file would bring; rows_read = listens + rows_rejected + rows_left_out.

    Attributes:
        kind: what its rows are.
        listens: rows, of whichever kind, that would be loaded, or that the warehouse has already.
        rejected_by_reason: rejected rows per reason, most frequent first.
        left_out_by_rule: rows per rule of the source that leaves them out.
        is_refused: whether a load would take nothing of it.
        first_listens, first_rejects: at most ROWS_SHOWN of each; times in UTC.
    """

    file: str
    format: str
    kind: Kind
    rows_read: int
    listens: int
    rows_rejected: int
    rows_left_out: int
    rejected_by_reason: dict[str, int]
    left_out_by_rule: dict[str, int]
    is_refused: bool
    first_listens: list[dict[str, Any]]
    first_rejects: list[dict[str, Any]]

    @property
    def reasons(self) -> dict[str, int]:
        """Rows by why they are rejected or left out."""
        return self.rejected_by_reason | self.left_out_by_rule

    @property
    def outcome(self) -> str:
        """What would become of the rows that are not rejected, for messages."""
        return "the others would be loaded"

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        told = asdict(self) | {"reasons": self.reasons}
        del told["rejected_by_reason"], told["left_out_by_rule"], told["is_refused"]
        for row in told["first_listens"]:
            if "listened_at" in row:
                row["listened_at"] = f"{row['listened_at'].isoformat()}Z"
        return told


def preview_files(source: Source, paths: Sequence[str | Path | Listing], refused: list[AudoticsError]) -> list[Preview]:
    """Read files, or folders of files, whole, and write nothing. Why one would be refused is added to `refused`."""
    previews = []
    for path in paths:
        for file in find_files(source, path, refused):
            try:
                with faults_named(file):
                    previews.append(_preview(source, file, refused))
            except AudoticsError as error:
                refused.append(error)
    return previews


def _columns(rules: ParseRules) -> list[str]:
    """Return the columns to show: of a listen, or of what else a row is."""
    if rules.kind == "listens":
        return list(_COLUMNS)
    if rules.kind == "profiles":
        return ["line", *PROFILE_SCHEMA.names]
    item = ["track_source_id", "title"] if rules.of_tracks else []
    if rules.kind == "blocks":
        return ["line", "user_id", "item_kind", *item, "artist_source_id", "artist_name"]
    more = ["tag", "weight"] if rules.kind == "tags" else ["isrc", "duration_ms"] if rules.of_tracks else []
    return ["line", *item, "artist_source_id", "artist_name", *more]


def _preview(source: Source, file: InputFile, refused: list[AudoticsError]) -> Preview:
    now = datetime.now(UTC)
    source = source.for_file(file)
    parser, tally = Parser(source.rules, now), Tally()
    listens, rejects = list[dict[str, Any]](), list[dict[str, Any]]()
    for batch in source.read(file):
        parsed = parser.parse(batch)
        tally.add(batch, parsed)
        if parsed.listens.num_rows and len(listens) < ROWS_SHOWN:
            columns = _columns(source.rules)
            listens += parsed.listens.select(columns).slice(0, ROWS_SHOWN - len(listens)).to_pylist()
        rejects += parsed.rejects.sort_by("line").slice(0, ROWS_SHOWN - len(rejects)).to_pylist()
    message = refusal(file, tally, source.rules, now)
    if message is not None:
        refused.append(AudoticsError(message))
    return Preview(
        file=str(file),
        format=source.format,
        kind=source.rules.kind,
        rows_read=tally.rows_read,
        listens=tally.listens,
        rows_rejected=tally.rows_rejected,
        rows_left_out=tally.rows_left_out,
        rejected_by_reason=tally.by_reason(),
        left_out_by_rule=most_frequent_first(tally.left_out),
        is_refused=message is not None,
        first_listens=listens,
        first_rejects=rejects,
    )
