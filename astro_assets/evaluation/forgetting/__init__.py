"""What training cost a model elsewhere, in rings around astronomy.

::

    rings      far, near and rehearsed general abstracts ─┐
    self_text  text sampled from the base itself ─────────┼─▶ scored like any document ─▶ figures
    prose      texts of the user's own ───────────────────┘

Abstracts of another field share their register with astronomy's: a model that learned how abstracts
are written reads them better, whatever else it lost. So a promotion reads the far ring together
with text sampled from the base, which is of no register but the base's own.

What does not belong here: scoring (perplexity) and deciding on the figures (registry).
"""
