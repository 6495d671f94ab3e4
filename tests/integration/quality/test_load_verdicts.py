"""What the verdicts before say of files, for the run that judges the next ones."""

from quality.load_verdicts import CHECK_NAME, NEWEST, LetPass, Verdicts, read_verdicts, segment_of
from quality.observations import Observation, Severity, Validation, keep
from warehouse.engine import create_engine
from warehouse.roles import Role


def of_file(file_id: int, passed: bool, severity: Severity = "critical") -> Observation:
    return Observation("rejected rows", 0.5, passed, "as many as usual", severity, segment_of(file_id))


def up_to(file_id: int) -> Observation:
    return Observation(NEWEST, file_id, True, "files up to this one are judged", "info")


def test_the_last_verdict_on_each_file_counts(warehouse_url: str) -> None:
    with create_engine(warehouse_url, Role.SERVICE).connect() as connection:
        assert read_verdicts(connection, "first") == Verdicts()
        keep(connection, _of("first"), [up_to(6), of_file(5, False), of_file(6, False, "warning"), of_file(4, True)])
        assert read_verdicts(connection, "first").refused is None
        second = read_verdicts(connection, "second")
        assert second.refused and second.refused.file_ids == {5}
        assert (second.passed, second.odd) == (None, {5, 6})
        keep(connection, _of("second"), [up_to(7), of_file(5, True, "warning"), of_file(7, False, "warning")])
        third = read_verdicts(connection, "third")
        assert isinstance(third.passed, LetPass) and third.passed.file_id == 7
        assert third.refused == second.refused
        assert third.odd == {6, 7}


def _of(run_id: str) -> Validation:
    return Validation("raw/listens", CHECK_NAME, run_id)
