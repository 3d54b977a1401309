"""Papers -> clean text -> tokens -> blocks.

::

    texts.py      the one text of a paper that counts, cleaned; which papers' texts, in which order
    tokenizer.py  text -> ids, any fast tokenizer, special-token look-alikes are text
    streams.py    [BOS] text [EOS] per submission month and side, as memory-mapped files
    blocks.py     every 512 consecutive tokens of a release's streams, by number

What does not belong here: which papers a release holds (warehouse) and what a model does with
tokens (training, evaluation).
"""
