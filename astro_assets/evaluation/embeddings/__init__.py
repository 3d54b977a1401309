"""Abstracts as vectors, and what the vectors are good for (the paper's figure 3).

::

    selection ─▶ vectors, baseline ─▶ spaces ─▶ folder ─▶ pairs, sampled_pairs, quality ─▶ report
                                                     └──▶ search
"""
