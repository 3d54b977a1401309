"""Abstracts begun by their authors and continued by models (the paper's figure 2).

::

    sentences ─▶ beginnings ─▶ generation ─┬─▶ report ─▶ report.json
                                   others ─┤
         numbers ─▶ measures ─▶ intervals ─┘
"""
