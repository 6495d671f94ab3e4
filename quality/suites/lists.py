"""The figures of an evaluation and the lists of a date, as rows; whether lists may go live the release gate judges."""

from datetime import date

from quality.suites.suite import Suite, in_range, no_rows, rows_at_least
from warehouse.dates import sql_date

# Trainings are weekly: some have failed by then, and what is listened to has moved on.
_OLDEST_RANKER_DAYS = 45
_FIGURES = ("ndcg_10", "ndcg_100", "recall_100")


def model_evaluations(as_of: date) -> Suite:
    """The evaluations of a date: figures that such figures can be, of the same users for every model of a slate."""
    return Suite(
        name="model_evaluations",
        rows=f"select * from ml.model_evaluations where as_of = {sql_date(as_of)}",
        expectations=(
            *(in_range(figure, 0, 1, "a figure that was divided by the wrong number") for figure in _FIGURES),
            in_range("users", 1, None, "a mean over nobody"),
            no_rows(
                "models judged by other users",
                "every model of a slate is judged by the same users",
                "select slate, min(users) as least, max(users) as most from {batch} group by slate"
                " having min(users) <> max(users)",
                "a ranker that looks better because those whom it serves badly were left out",
            ),
            no_rows(
                "an interval that does not hold its difference",
                "the 95 % interval holds the difference",
                "select * from {batch} where not ranker_delta between ci95_low and ci95_high",
                "an interval of other users or of another difference than the one it is shown beside",
            ),
        ),
    )


def recommendations(as_of: date) -> Suite:
    """The lists of a date: places without gaps, scores that fall with them, sources and models named."""
    return Suite(
        name="recommendations",
        rows=f"select * from ml.recommendations where as_of = {sql_date(as_of)}",
        expectations=(
            rows_at_least(1, "a night that serves nobody"),
            # In the order of the primary key, so that nothing is sorted but the tracks of a list.
            no_rows(
                "broken lists",
                "the places of a list are 1, 2, 3 and so on, and no track is on two of them",
                "select slate, user_key, count(*) as places, max(rank) as last, count(distinct track_key) as tracks"
                " from {batch} group by slate, user_key"
                " having max(rank) <> count(*) or min(rank) <> 1 or count(distinct track_key) <> count(*)",
                "lists that lost rows, so that an app skips or repeats some, and the same song twice on one screen",
            ),
            no_rows(
                "slates whose ranker is old",
                f"rankers were trained within {_OLDEST_RANKER_DAYS} days of the lists",
                "select batches.slate, model_version, trained_as_of from ml.recommendation_batches as batches"
                " inner join ml.models using (model_version)"
                " where batches.as_of = (select lists.as_of from {batch} as lists limit 1)"
                f" and batches.as_of - trained_as_of > {_OLDEST_RANKER_DAYS}",
                "a training that fails week after week while the nights go on with what it once made",
                severity="warning",
            ),
            no_rows(
                "without a source",
                "every row says which source put it forward and which model ranked it",
                "select * from {batch} where source = '' or model_version = ''",
                "a reason that cannot be given, and a release whose model nobody can name",
            ),
        ),
    )
