"""Some held-out papers' texts, as every measurement reads them; no table library needed.

What does not belong here: which papers are taken (selection).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Some papers' texts, in sampling order.

    What is known of the papers beyond their texts has a value per paper, or none at all.
    """

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    texts: tuple[str, ...]
    months: tuple[str, ...] = ()
    """Of first submission, ``YYYY-MM``; "" where it is not known."""
    categories: tuple[str, ...] = ()
    """Blank-separated, as arXiv lists them."""
    primary_categories: tuple[str, ...] = ()
    """The category a paper was first submitted to; "" where it is not known."""

    @property
    def n_bytes(self) -> list[int]:
        """UTF-8 bytes of each text."""
        return [len(text.encode()) for text in self.texts]

    def first(self, n: int) -> Sample:
        """Return the first ``n`` papers."""
        return Sample(
            self.ids[:n],
            self.titles[:n],
            self.texts[:n],
            self.months[:n],
            self.categories[:n],
            self.primary_categories[:n],
        )

    def __len__(self) -> int:
        return len(self.ids)
