"""YAML as people write settings: no references, no field twice, no depth without end.

A few lines of references unfold to more than memory holds, and of a field that stands there twice
PyYAML silently takes the last. Which fields there are belongs to ``recipe``.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from astro_assets.errors import BadSettingError


class _Loader(yaml.SafeLoader):
    """Plain values alone, each written out where it stands."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse a reference before anything is made of it."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ComposerError(
                None, None, "references (& and *) are not read here", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands in one mapping twice."""
        written = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, name in enumerate(written):
            if name in written[:place]:
                raise ConstructorError(
                    None, None, f"field {name[:60]!r} is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(text: str, *, where: str) -> Any:
    """Return what a YAML text says; ``where`` is named in errors.

    Raises:
        BadSettingError: it is no YAML, or more than a plain document.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except RecursionError:
        raise BadSettingError(
            f"{where} is no YAML for people: it is nested too deeply.",
            expected="a mapping of fields to values.",
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        # A ValueError is a date that is none, or a number of thousands of digits.
        raise BadSettingError(
            f"{where} is no YAML that can be used: {str(error)[:200]}",
            expected="a mapping of fields to values, each field once, without references.",
        ) from None
