"""What a model can do, in numbers; base model against tuned model.

::

    samples ─┬─▶ scoring ──▶ perplexity ──▶ perplexity_report ──▶ report.json, documents.parquet
             ├─▶ embeddings ──▶ similarity, retrieval ──▶ embedding_report ──▶ report.json
             ├─▶ completions ──▶ report.json
             └─▶ scoring ──▶ knowledge ──▶ report.json (questions: the bundled file or one's own)

    statistics   intervals and tests every report shares
    reports      one way to write a report and to fingerprint its numbers
    figures, pages   what people look at

What does not belong here: deciding anything on the numbers (registry) and loading models (models).
"""
