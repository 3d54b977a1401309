"""What models know, by questions and probes: the measure that perplexity hides (arXiv:2409.19750).

::

    question_files ─▶ prompts ─▶ fitting ─▶ likelihoods ─┬─▶ methods ─▶ judging ─▶ report
       │                  └────▶ chat (instruct models) ─┘                        ▲ ▲
       └─▶ rooms (what fits every model, before any is loaded) ───────────────────┘ │
    probe_tables ───▶ equations, constellations (ranks) ────────────────────────────┘

A ``Reader`` is one model while it is loaded; every question and probe is put to it before the next.
"""
