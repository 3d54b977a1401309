"""The sections of a release's page: reports in, blocks of words, figures and tables out.

A report may be older than this code or lack a model; what it has no numbers for is left out or
named, never guessed. What does not belong here: markup (templates), making the numbers (reports).
"""
