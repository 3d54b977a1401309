"""What a model can do, in numbers; base model against tuned model, or any model by itself.

A folder per report, each from what is measured to the report::

    samples, selection ─┬─▶ perplexity ◀── forgetting (its rings, text of the base itself)
                        ├─▶ embeddings
                        ├─▶ completions
                        └─▶ heldout ──▶ the documents a training measures itself on
              knowledge ──▶ the bundled questions and probes, or one's own

    statistics       intervals and tests every report shares
    reports          one way to write a report and to fingerprint its numbers
    figures, pages   what people look at

Measuring (scores, vectors, generation, likelihoods of answers, and what they share) needs only what
the trainer's image holds, and hands back arrays and plain values. Choosing papers, tables, figures
and pages (selection, heldout, the builders of reports) need the full installation.

What does not belong here: deciding anything on the numbers (registry), loading models and running
them for likelihoods or samples (models).
"""
