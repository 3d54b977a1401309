"""How probable models find held-out text: base, tuned and champion, per document and in blocks.

::

    scores ─▶ field_scores ─▶ report ─▶ report.json, documents.parquet

What does not belong here: what training cost elsewhere (forgetting).
"""
