"""What a model can do, in numbers; base model against tuned model.

::

    selection ─┬─▶ perplexity, field_scores ──▶ perplexity_report ──▶ report.json, documents.parquet
               ├─▶ vectors ──▶ embeddings ──▶ similarity, retrieval ──▶ embedding_report
               ├─▶ generation ──▶ completions ──▶ report.json
               └─▶ heldout ──▶ the documents a training measures itself on
    question_files ──▶ knowledge ──▶ report.json (the bundled questions or one's own)

    statistics   intervals and tests every report shares
    reports      one way to write a report and to fingerprint its numbers
    figures, pages   what people look at

Measuring (samples, perplexity, field_scores, vectors, generation, knowledge, and what they share)
needs only what the trainer's image holds, and hands back arrays and plain values. Choosing papers,
tables, figures and pages (selection, heldout, the builders of reports) need the full installation.

What does not belong here: deciding anything on the numbers (registry), loading models and running
them for likelihoods (models).
"""
