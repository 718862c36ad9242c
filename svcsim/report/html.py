"""The report: one page that stands alone, and its figures as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import IO

import jinja2
from markupsafe import Markup

from svcsim.report import answer, tables
from svcsim.report.pictures import FIGURES, drawn
from svcsim.report.setting import setting_of
from svcsim.report.words import many
from svcsim.results.files import write_whole
from svcsim.results.result import Result

__all__ = ["write_report"]


def write_report(result: Result, directory: str | Path, *, title: str | None = None) -> Path:
    """Write `report.html`, which needs no other file, and `figures/*.png` into `directory`.

    Names from manifests are escaped. Each file appears whole or not at all.

    Args:
        result: what `simulate` returned or `Result.read` read.
        directory: made if it is missing.
        title: the page's heading; the scenario's name by default.

    Returns:
        The path of the page.
    """
    directory = Path(directory)
    setting = setting_of(result)
    pictures = {name: drawn(name, setting) for name in FIGURES}
    (directory / "figures").mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        write_whole(directory / "figures" / f"{name}.png", partial(_put, content=picture.png))

    def figure(name: str) -> Markup:
        return Markup(
            '<figure id="{0}"><div class="scroll" tabindex="0">{1}</div><figcaption>{2}</figcaption></figure>'
        ).format(name, pictures[name].svg, FIGURES[name].caption)

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("svcsim.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html").render(
        title=title or str(result.provenance.get("scenario", "svcsim")),
        provenance=result.provenance,
        replications=many(int(result.provenance.get("replications", 0)), "replication"),
        answer=answer.answer(setting),
        reasons=answer.reasons(setting),
        not_modelled=answer.not_modelled(),
        explanation=result.explain(),
        warnings=result.warnings,
        figure=figure,
        table=tables.as_html,
        paths=tables.paths(setting),
        causes=tables.causes(setting),
        lag=tables.lag(setting),
        defaults=tables.defaults(),
        glossary=tables.glossary(),
        origin=tables.provenance(setting),
    )
    path = directory / "report.html"
    write_whole(path, partial(_put, content=page.encode()))
    return path


def _put(file: IO[bytes], content: bytes) -> None:
    file.write(content)
