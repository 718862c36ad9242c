"""The report's tables: what is in them, and as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from svcsim.report.answer import interval
from svcsim.report.palette import OUTCOMES, STAGES
from svcsim.report.setting import Setting
from svcsim.report.words import LAG, STAGE, per_10k, readable, seconds, spaced
from svcsim.scenario import defaults_table
from svcsim.schema import TABLES

__all__ = ["Table", "as_html", "causes", "defaults", "glossary", "lag", "paths", "provenance"]


@dataclass(frozen=True)
class Table:
    """`text` columns are set left, the others right; `wrap` ones may break into lines."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: frozenset[str]
    wrap: frozenset[str] = frozenset()


def paths(setting: Setting) -> Table:
    """A row to a client: how much of what failed, and how fast the rest was."""
    outcomes = [outcome for outcome in OUTCOMES if setting.summary[outcome].any()]
    columns = ("client", "path", "requests", "failed", "in 10,000", "95% interval", "expected by rule")
    rows = tuple(
        (
            str(row["client"]),
            str(row["via"]),
            f"{row['requests']:,}",
            f"{row['failed']:,}",
            per_10k(row["failed_fraction"]),
            interval(row),
            _expected(row["expected_failures"]),
            *(f"{row[outcome]:,}" for outcome in outcomes),
            *(seconds(row[name]) for name in ("p50_s", "p99_s", "p999_s")),
        )
        for row in setting.summary.to_dict("records")
    )
    all_columns = (*columns, *map(spaced, outcomes), "p50", "p99", "p99.9")
    return Table("Failures by client", all_columns, rows, frozenset({"client", "path"}))


def _expected(value: float) -> str:
    """Failures expected: what rounding left of nothing is nothing."""
    return "0" if abs(value) < 1e-6 else readable(value)


def causes(setting: Setting) -> Table:
    """A row to a client, outcome, cause and stage: in the order of clients, the most first."""
    order = {client: k for k, client in enumerate(setting.summary["client"])}
    rows = setting.result.causes.to_dict("records")
    rows.sort(key=lambda row: (order.get(row["client"], len(order)), -row["count"]))
    cells = tuple(
        (
            str(row["client"]),
            spaced(row["outcome"]),
            spaced(row["cause"]),
            str(row["stage"]) or "-",
            f"{row['count']:,}",
        )
        for row in rows
    )
    columns = ("client", "outcome", "cause", "stage", "failures")
    return Table("Failures by cause", columns, cells, frozenset(columns[:4]))


def lag(setting: Setting) -> Table:
    """A row to a stage of the lag."""
    rows = tuple(
        (
            str(row["stage"]),
            LAG.get(str(row["stage"]), ""),
            f"{row['count']:,}",
            *(seconds(row[name]) for name in ("mean_s", "p50_s", "p90_s", "p99_s")),
        )
        for row in setting.result.lag.to_dict("records")
        if row["count"]
    )
    columns = ("stage", "from, to", "count", "mean", "p50", "p90", "p99")
    return Table("Lag by stage", columns, rows, frozenset(columns[:2]))


def defaults() -> Table:
    """A row to a default."""
    columns = ("key", "value", "unit", "kind", "source")
    rows = tuple(tuple(row[column] for column in columns) for row in defaults_table())
    return Table("Defaults", columns, rows, frozenset(columns), frozenset({"value", "source"}))


def glossary() -> Table:
    """What the words for outcomes and stages mean."""
    meanings = {column.name: column.meaning for column in TABLES["summary"]}
    rows = [("outcome", spaced(outcome), meanings.get(outcome, "")) for outcome in OUTCOMES]
    rows += [("stage", stage, f"it failed {STAGE[stage]}") for stage in STAGES if stage in STAGE]
    columns = ("kind", "word", "meaning")
    return Table("Words", columns, tuple(rows), frozenset(columns), frozenset({"meaning"}))


def provenance(setting: Setting) -> Table:
    """Where a result comes from, but for the scenario's text."""
    kept = setting.result.provenance
    rows = tuple((spaced(key), str(value)) for key, value in kept.items() if key != "scenario_yaml")
    return Table("Provenance", ("what", "value"), rows, frozenset({"what", "value"}), frozenset({"value"}))


def _cells(tag: str, columns: Iterable[str], values: Iterable[str], table: Table) -> Markup:
    cells = []
    for column, value in zip(columns, values, strict=True):
        kinds = [kind for kind, of in (("text", table.text), ("wrap", table.wrap)) if column in of]
        attribute = Markup(' class="{}"').format(" ".join(kinds)) if kinds else Markup("")
        scope = Markup(' scope="col"') if tag == "th" else Markup("")
        cells.append(Markup("<{0}{1}{2}>{3}</{0}>").format(Markup(tag), scope, attribute, value))
    return Markup("<tr>{}</tr>").format(Markup("").join(cells))


def as_html(table: Table) -> Markup:
    """A table that scrolls where the page is too narrow; every cell is escaped."""
    head = _cells("th", table.columns, table.columns, table)
    body = Markup("").join(_cells("td", table.columns, row, table) for row in table.rows)
    return Markup(
        '<div class="scroll" role="region" aria-label="{}" tabindex="0"><table><thead>{}</thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(table.name, head, body)
