"""Values that columns may have, and patterns they match; declared once for all contracts."""

from __future__ import annotations

SIDES = ("train", "test")
REASONS = ("withdrawn", "empty_abstract", "copy_of_test", "duplicate_text")
"""Why a text is not used, in the order of the test."""
TABLE_NAMES = ("astro", "general")
CHANGES = ("added", "revised", "withdrawn", "lost")
"""What can become of a paper between two releases; the words of ``astro-assets diff``."""

MONTH = r"\d{4}-(0[1-9]|1[0-2])"
SHA256 = r"[0-9a-f]{64}"
