"""Releases as versions: rebuild one and compare, compare two, drop what none of them names.

::

    manifests ──> origin ──> rebuild (in scratch) ──> verify
        ├───────> diff     what one release holds and another does not
        ├───────> kept ──> garbage    what no kept release and no registered model names
        │  registered ┘
        ├───────> due      which months the monthly refresh has to ask for
        └───────> growth   whether a release has outgrown the champion

    origin    what a release was made from, as its manifests say
    scratch   the folder a rebuild is made in, gone when it ends
    rebuild   the release once more, with the parameters its manifests recorded
    verify    rebuilt and kept files against the manifests, byte by byte
    diff      papers added, revised, withdrawn, lost; tokens gained
    registered  what the registry's versions refer to, and whether it is this home's registry
    kept      the closure over manifests: everything that must stay
    places    the names of what we make, and where: nothing else is ever removed
    garbage   what may go, and taking it away
    held_out  texts of a release, and which test papers are left out of evaluations
    evaluation_inputs  what each report of a release reads beside its models
    evaluating  a model that no release trained, through the same reports
    due       months without token blocks
    growth    training tokens of a release against those the champion was trained on

What does not belong here: making a release (the stages do, each its part) and showing any of this.
"""
