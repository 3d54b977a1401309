"""Everything that imports Dagster, mirroring the folders of the domain.

::

    build.py       build_defs(): fresh definitions, resources replaceable by key
    partitions.py  release months
    resources.py   the workspace of a run (settings, store, lock) and who shows its progress
    adapter.py     one piece of domain work as one materialisation
    metadata.py    manifests as Dagster metadata
    judges.py      what each check looks at, as plain functions of the store
    verdicts.py    which checks guard each asset, and whether a failure blocks
    assets/        the fifteen assets, about fifteen lines each
    automation.py  the monthly schedule
    instance.py    the Dagster home: dagster.yaml, clean-up after killed runs

What does not belong here: anything that would still be true without Dagster.
"""
