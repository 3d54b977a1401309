"""MLflow tracking and registry, the served model, the promotion rule and its ledger.

::

    training ──▶ tracking ──▶ registration ──▶ versions: candidate ──┐
                                                                    ▼
    reports ──────────────────────────────────────────────────▶ promotion ──▶ ledger
                                               versions: champion ◀─┘
    evaluation, serving ◀── download ◀──────────────┘

- ``tracking``: one MLflow run per training, its metrics in batches.
- ``registration``: an adapter or a whole model, and a base that is on no hub, become versions.
- ``base_facts``: what a version says of itself: base, method, recipe, parent, files.
- ``versions``: looking versions up, moving aliases.
- ``model_lookup``, ``release_models``: what a person calls a model, and a release's, as handles.
- ``scorecards``, ``paper_page``, ``release_page``: kept reports as leaderboard, paper.md, pages.
- ``model_names``: what a release's models are called.
- ``report_artifacts``: reports and their figures beside the training in MLflow.
- ``download``: a version's adapter or whole model, and its base, back as folders.
- ``served_model``: the pyfunc that stands beside every registered model (models from code).
- ``promotion``: a pure rule from figures to a decision.
- ``ledger``: every decision ever taken, because MLflow keeps no history of an alias.

What does not belong here: training, scoring, and anything that knows Dagster.
"""

import os

# Read by mlflow while it is imported, hence before any module below does so.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "GIT_PYTHON_REFRESH": "quiet",
}.items():
    os.environ.setdefault(_name, _value)
