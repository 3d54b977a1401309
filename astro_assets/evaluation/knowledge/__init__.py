"""What models know, by questions: the measure that perplexity hides (arXiv:2409.19750).

::

    question_files ─▶ report ─▶ report.json
"""
