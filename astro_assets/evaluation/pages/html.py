"""Templates into pages: escaping always on, undefined names refused, blank lines left out.

What does not belong here: what a page says.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from astro_assets.evaluation.figures.style import Drawing
from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity


def rendered(template: str, **values: Any) -> str:
    """Return a page made from a template of ``templates/``."""
    text = environment().get_template(template).render(**values)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates' environment, with the filters for text and numbers."""
    made = Environment(
        loader=PackageLoader("astro_assets.evaluation.pages", "templates"),
        autoescape=select_autoescape(["html"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(text=cleaned, number=number, percent=percent, perplexity=perplexity)
    made.globals["drawn"] = _drawn
    return made


def _drawn(drawing: Drawing) -> Markup:
    """Return a figure as markup that is not escaped again: matplotlib escapes its text."""
    return Markup(drawing.svg())
