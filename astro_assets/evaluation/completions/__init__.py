"""Abstracts begun by their authors and continued by models (the paper's figure 2).

::

    sentences ─▶ generation ─▶ report ─▶ report.json
"""
