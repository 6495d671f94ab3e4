"""From the columns of a file to the artists that its rows credit, in order, as a mapping says."""

import re
from collections.abc import Callable, Mapping

from assets.ingest.literals import quoted
from assets.ingest.mapping_parts import CreditList, Credits

# The first of these lists that has values says how many artists there are.
_ARTIST = ("artist_mbid", "artist_id", "artist_name")


class CreditPicker:
    """The expressions by which a batch's columns become the list `credits` of each row: id, mbid, name, join_phrase."""

    def __init__(self, credits: Credits, column: Callable[[str, str], str]) -> None:
        """Takes how a field's column is to be read: `column(field, column)` is the expression for its text, or for the
        items of a list, null where they spell that there is no value.
        """
        self._lists, self._column = credits.lists(), column

    def rows(self) -> str:
        """Return the query for the batch with the lists beside its columns: `listed_<field>`, and `listed`, how many
        artists the row credits.

        A list of another length than the one that counts says nothing: which is whose cannot be told.
        """
        lists = ", ".join(f"{self._values(field, given)} AS listed_{field}" for field, given in self._lists.items())
        lengths = ", ".join(f"nullif(len(listed_{field}), 0)" for field in _ARTIST if field in self._lists)
        fitting = ", ".join(f"CASE WHEN len({name}) = listed THEN {name} END AS {name}" for name in self._names())
        return f"""(
    SELECT * REPLACE ({fitting})
    FROM (SELECT *, coalesce({lengths}, 0) AS listed FROM (SELECT *, {lists} FROM batch) AS given) AS counted
)"""

    def _names(self) -> list[str]:
        return [f"listed_{field}" for field in self._lists]

    def _values(self, field: str, given: CreditList) -> str:
        """Return the expression for the values of a list: of several columns, the first that has any."""
        lists = [self._list(field, column, given) for column in given.columns]
        if len(lists) == 1:
            return lists[0]
        return f"coalesce({', '.join(f'CASE WHEN len({values}) > 0 THEN {values} END' for values in lists)})"

    def _list(self, field: str, column: str, given: CreditList) -> str:
        value = self._column(field, column)
        if not given.split:
            return value
        pattern = quoted("|".join(re.escape(text) for text in sorted(given.split, key=len, reverse=True)))
        parts = f"list_transform(string_split_regex({value}, {pattern}), lambda part: nullif(trim(part), ''))"
        return f"list_filter({parts}, lambda part: part IS NOT NULL)"

    def first(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return the expressions for the fields of the track's artist, who is the first of the list where there is one;
        `fields` are those that a row has besides.
        """
        picked = dict(fields)
        for field in _ARTIST:
            if field in self._lists:
                first = f"listed_{field}[1]"
                picked[field] = f"coalesce({first}, ({fields[field]})::VARCHAR)" if field in fields else first
        return picked

    def credits(self) -> str:
        """Return the expression for the list, null for rows that credit one artist or none."""
        values = {
            name: f"listed_{field}[place]" if field in self._lists else "NULL::VARCHAR"
            for name, field in _MEMBER.items()
        }
        member = ", ".join(f"'{name}': {value}" for name, value in values.items())
        places = "range(1, listed + 1)"
        return f"CASE WHEN listed > 1 THEN list_transform({places}, lambda place: {{{member}}}) END"


_MEMBER = {"id": "artist_id", "mbid": "artist_mbid", "name": "artist_name", "join_phrase": "join_phrase"}
