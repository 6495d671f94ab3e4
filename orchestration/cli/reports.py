"""The reports of runs and evaluations, as tables for people."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestration.cli.rendering import print_table, say
from warehouse.wording import counted

if TYPE_CHECKING:
    from orchestration.runs import RunReport

METRICS = ("ndcg@10", "ndcg@100", "recall@100")
# The figures of lists that fit in 80 columns, with their headings.
_LIST_FIGURES = {
    "coverage@100": "coverage @100",
    "novelty@10": "novelty @10",
    "artist_diversity@10": "artists @10",
    "artist_gini@10": "gini @10",
    "popularity_ratio@10": "pop. ratio",
}


def print_run(report: "RunReport") -> None:
    """Each step of a run with its wall time and peak memory."""
    rows: list[tuple[str, str, int]] = [
        (stage.name, f"{stage.seconds:.1f}", round(stage.peak_mb)) for stage in report.stages
    ]
    seconds = sum(stage.seconds for stage in report.stages)
    rows.append(("total", f"{seconds:.1f}", round(report.peak_mb)))
    print_table(f"{report.job} as of {report.as_of}", ("step", "seconds", "peak MB"), rows, highlight="total")


def print_evaluation(evaluation: Mapping[str, Any], subject: str = "ranker") -> None:
    """Of each slate the metrics, the subject against the best of the others, what lists are like, segments."""
    for slate, result in evaluation["slates"].items():
        rows = [(model, *(values[metric] for metric in METRICS)) for model, values in result["models"].items()]
        users = counted(result["users"], "user")
        title = f"{slate}: {users}, {evaluation['horizon_days']} days from {evaluation['as_of']}"
        print_table(title, ("model", *METRICS), rows, highlight=subject)
        if paired := result["paired"]:
            low, high = paired["ci95"]
            say(
                f"{subject} minus {paired['against']}: {paired['delta']:+.4f} {paired['metric']},"
                f" 95 % interval {low:+.4f} to {high:+.4f}\n"
            )
        _print_lists(slate, result["lists"], subject)
        _print_segments(slate, result["segments"], subject)
        _print_candidate_recall(slate, result["pool"])
    if unknown := {kind: count for kind, count in evaluation.get("unknown", {}).items() if count}:
        say(f"not in the warehouse: {', '.join(f'{count:,} {kind}' for kind, count in unknown.items())}")


def _print_lists(slate: str, lists: Mapping[str, Mapping[str, Any]], subject: str) -> None:
    """Some of the figures of each model's lists; --json has all of them."""
    rows = [(model, *(figures[name] for name in _LIST_FIGURES)) for model, figures in lists.items()]
    columns = ("model", *_LIST_FIGURES.values())
    print_table(f"{slate}: what the lists are like (novelty in bits)", columns, rows, highlight=subject)


def _print_segments(slate: str, segments: Sequence[Mapping[str, Any]], subject: str) -> None:
    """The subject beside the best of the others: NDCG of users by segment, recall of relevant tracks by theirs."""
    for metric in dict.fromkeys(segment["metric"] for segment in segments):
        of_metric = [segment for segment in segments if segment["metric"] == metric]
        best = sorted({model for segment in of_metric for model in segment["models"]} - {subject})
        rows = [
            (
                segment["segment"],
                segment["users"],
                *(segment["models"][model]["mean"] for model in (subject, *best)),
                _ahead(segment["paired"]),
            )
            for segment in of_metric
        ]
        kind = "relevant tracks" if of_metric[0]["by"] == "tracks" else "listeners"
        # The name of a baseline is wider than its figures, and the intervals need the width.
        against = "".join(f", against {model}" for model in best)
        columns = (kind, "users", subject, *("baseline" for _ in best), "ahead by, 95 % interval")
        print_table(f"{slate}: {metric} by {kind}{against}", columns, rows)


def _print_candidate_recall(slate: str, pool: Mapping[str, Any] | None) -> None:
    """How much of what is relevant the candidates hold, and what each source has there that no other of them does."""
    if pool is None:
        return
    rows = [("pool", f"{pool['size']:.1f}", pool["recall"]["mean"], "")]
    for source in sorted(pool["sources"], key=lambda each: not each["in_pool"]):
        name = source["source"] if source["in_pool"] else f"({source['source']})"
        alone = _with_interval(source["marginal"]["mean"], source["marginal"]["ci95"])
        rows.append((name, f"{source['offered']:.1f}", source["recall"], alone))
    title = f"{slate}: candidate recall; (in brackets) what others would add"
    print_table(title, ("source", "tracks", "recall", "by no other, 95 % interval"), rows, highlight="pool")


def _ahead(paired: Mapping[str, Any] | None) -> str:
    if paired is None:
        return ""
    return _with_interval(paired["delta"], paired["ci95"])


def _with_interval(value: float, ci95: Sequence[float]) -> str:
    return f"{value:+.4f} [{ci95[0]:+.4f}, {ci95[1]:+.4f}]"
