"""The tables of facts the project carries, and what is asked of a model by them.

What does not belong here: how the answers are scored (equations, constellations).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astro_assets.evaluation.knowledge.constellations import (
    load_constellations,
    load_objects,
    measure_constellations,
    most_frequent_share,
)
from astro_assets.evaluation.knowledge.equations import (
    Equation,
    load_equations,
    measure_equations,
)
from astro_assets.evaluation.knowledge.reader import Reader

Figures = Mapping[str, Any] | None
"""What a probe gives of one model; None where it could not be asked."""


@dataclass(frozen=True)
class Probes:
    """Tables of facts."""

    equations: tuple[Equation, ...]
    """Name and LaTeX."""
    objects: Mapping[str, str]
    """Object of the sky -> abbreviation of its constellation."""
    constellations: Mapping[str, str]
    """Abbreviation -> name."""

    @classmethod
    def bundled(cls) -> Probes:
        """Return the tables the project carries."""
        return cls(load_equations(), load_objects(), load_constellations())

    def measured(self, reader: Reader) -> dict[str, Figures]:
        """Ask one model: figures by probe."""
        return {
            "equations": measure_equations(reader, self.equations),
            "constellations": measure_constellations(reader, self.objects, self.constellations),
        }

    def reported(self, found: Mapping[str, Mapping[str, Figures]]) -> dict[str, Any]:
        """Return what the report says of the probes, from label -> probe -> figures."""
        return {
            "equations": {
                "n": len(self.equations),
                "source": "named equations of physics and astronomy, a table of the project",
                "models": {label: one["equations"] for label, one in found.items()},
                "chance_rank_1": 1 / len(self.equations),
            },
            "constellations": {
                "n": len(self.objects),
                "source": "objects of the sky and their constellations, a table of the project: an "
                "analogue of Galactica's galaxy-cluster probe (arXiv:2211.09085)",
                "models": {label: one["constellations"] for label, one in found.items()},
                "chance": 1 / len(self.constellations),
                "most_frequent_share": most_frequent_share(self.objects),
            },
        }
