"""How probable models find held-out text: per document, in packed blocks, by stratum, in time.

::

    sets ─▶ model_scores ─▶ comparison ─▶ report ─▶ report.json, documents.parquet
             (scores)       (intervals, strata,     (document_table)
                             forward)

What does not belong here: which rings of text tell what was forgotten (``forgetting``), and running
a model for likelihoods (``models.scoring``).
"""
