"""The fifteen assets, a file per group; each fetches its handles, calls the domain, returns metadata.

No ``from __future__ import annotations`` here: Dagster reads the annotations of asset functions.
"""
