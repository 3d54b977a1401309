"""The fifteen assets, a file per group: fetch handles, call the domain, return metadata.

No ``from __future__ import annotations`` here: Dagster reads the annotations of asset functions.
"""
