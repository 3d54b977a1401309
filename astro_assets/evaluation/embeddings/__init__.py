"""Abstracts as vectors, and what the vectors are good for (the paper's figure 3).

::

    vectors, baseline ─▶ spaces ─▶ pairs, retrieval ─▶ report ─▶ report.json
"""
