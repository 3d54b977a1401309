"""AstroLLaMA as software-defined assets: arXiv in, a promoted language model out, month by month.

The flow, and so the order of the packages (each imports only from those above it)::

    errors  settings  months  progress
    artifacts    files on disk: paths, manifests, fingerprints, atomic writes
    ingest       arXiv in: snapshot reader, OAI-PMH harvest, synthetic generator
    warehouse    DuckDB over Parquet: which papers a release holds
    corpus       text -> tokens -> blocks
    models       what a model is: base, adapter, how both are loaded
    training     recipe, scratch base, LoRA trainer
    evaluation   perplexity, embeddings, completions, knowledge; figures and pages
    registry     MLflow, promotion rule, ledger
    defs         everything that imports Dagster
    cli          the ``astro-assets`` command
"""

import os

__version__ = "0.1.0"

# Idle OpenMP threads spin only briefly before they sleep: on shared cores, two processes that spin
# starve each other (measured: 1,400 against 5,200 tokens per second, and 12 % slower when alone).
# Read once, when torch is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
