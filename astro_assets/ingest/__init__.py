"""arXiv in: raw records from a snapshot file, from the generator, or from OAI-PMH.

The flow, and so the order of the modules (each imports only from those above it)::

    records      one shape for a paper's metadata
    inflate      deflated text, quickly
    lines        zip, gz, zst or plain file -> text, and its lines
    parts        text -> files that DuckDB can read, a part at a time
    json_records lines of JSON -> raw records
    vintage      how new the records of a snapshot are
    grammar      a rule of ``phrases/*.txt`` expanded to a sentence, seeded
    synthetic    any number of made-up records, month by month
    kaggle_api   which versions Kaggle has, and where the bytes of one lie
    kaggle       one of its versions fetched once, resumed after a cut
    oai_repair   ill-formed XML mended, so that one paper does not cost the others
    oai_xml      one page of an OAI-PMH answer -> records or a named error
    oai_address  where an OAI-PMH server is
    oai_pace     whose turn it is to ask: one request in three seconds, over the machine
    oai_http     one polite request: Retry-After, bounded patience, bounded size
    oai_walk     from page to page of a list to its end, whatever happens in between
    oai_journal  what a harvest brought: raw pages, and the journal that names them
    oai_held     harvests that are held, read again
    oai          a harvest: a list, audited against the server's own until nothing is missing
    oai_snapshot a snapshot made of harvests
    sources      what was asked for -> a file that lies here, and what its source tells of it
    snapshot     a snapshot inspected once: counted, dated, judged
    windows      which windows a release needs, and harvesting the missing ones

Belongs here: getting metadata in, unchanged and counted. Does not belong here: what a record means
for a release (``warehouse``) and cleaning of texts (``corpus``).
"""
