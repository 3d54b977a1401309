"""The terminal's side of a run: ask Dagster for it, show how far it is, say how it ended.

::

    run.py       a request -> one Dagster run in this process, under the home's lock
    display.py   progress bars for a person, sparse lines for a pipe
    outcome.py   what came of a run, as a table and as JSON
    releases.py  verify, diff and gc: what they found
    services.py  webserver, daemon and MLflow UI as children of one process
    evaluate.py  models measured on a release without training, one by one
    similar.py   the papers nearest in meaning to a text or a paper
    paper.py     the paper's numbers beside ours, to a file
    models.py    the registry looked up
    commands.py  flags of evaluate, similar and paper; the others' are in cli.py
    terminal.py  where all of them print, and how a named error ends them

What does not belong here: anything a library user would need.
"""
