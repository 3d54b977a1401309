"""The terminal's side of a run: ask Dagster for it, show how far it is, say how it ended.

::

    run.py       a request -> one Dagster run in this process, under the home's lock
    display.py   progress bars for a person, sparse lines for a pipe
    outcome.py   what came of a run, as a table and as JSON
    releases.py  verify, diff and gc: what they found
    services.py  webserver, daemon and MLflow UI as children of one process

What does not belong here: the commands' flags (cli.py) and anything a library user would need.
"""
