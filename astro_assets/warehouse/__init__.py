"""Which papers a release holds: SQL models in DuckDB over Arrow and Parquet.

The flow::

    raw records ──> stg_records ───────┐                      ┌─> astro_ph_papers ─┐
                                       ├─> record_outcomes ─> paper_judgements     ├─> month shards
    keys.parquet ─> stg_snapshot_keys ─┘                      └─> general_papers ──┘
    snapshot shards > stg_snapshot (full rows, of the months to be written only)

    sql        reads dbt_like_sql/: headers, refs, order
    runner     runs models in an in-memory DuckDB, parameters bound
    contracts  the declared schema of each table
    sides      train or test; in the general sample or not
    record_stream    raw batches on their way into DuckDB
    snapshot_papers  what releases read of a snapshot: keys, and rows by month
    shards     Parquet files per submission month, named by content
    counts     what became of every record
    table_writer     writes the months that are not on disk yet
    papers     the two builds: a snapshot's papers, a release's table
    quality    data tests: each returns the rows that should not be there
    views      warehouse.duckdb, for people with a SQL client
    lineage    column lineage of the marts

What does not belong here: reading arXiv's formats (ingest) and what becomes of a text (corpus).
"""
