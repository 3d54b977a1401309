"""Papers -> clean text -> tokens -> blocks.

::

    texts.py         the one text of a paper that counts, cleaned; whose texts, in which order
    tokenizer.py     text -> ids, any fast tokenizer, special-token look-alikes are text
    accelerator.py   the same ids from a faster encoder, compared with the tokenizer's
    streams.py       [BOS] text [EOS] per submission month and side; stream_files.py: on disk
    blocks.py        every 512 consecutive tokens of a release's streams, by number
    epochs.py        the order of blocks, the same on every machine; reader.py: read in that order
    fields.py        general papers: which forgetting is measured on, which may be replayed
    documents.py     whole documents of one of these; replay.py: the stream a training replays
    statistics.py    papers and tokens in figures, by categories.py; published.py: the paper's
    words.py         the words of a text as numbers, kept per month and side
    runs.py          runs of 13 words that texts share, found by index
    near_copies.py   test texts that stand on the train side by half or more

What does not belong here: which papers a release holds (warehouse) and what a model does with
tokens (training, evaluation).
"""
