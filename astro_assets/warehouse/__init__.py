"""Which papers a release holds: SQL models in DuckDB over Arrow and Parquet.

The flow::

    raw records ──> stg_records ─┐                      ┌─> astro_ph_papers ─┐
                                 ├─> record_outcomes ─> paper_judgements     ├─> month shards
    snapshot shards > stg_snapshot┘                     └─> general_papers ──┘

    sql        reads dbt_like_sql/: headers, refs, order
    runner     runs models in an in-memory DuckDB, parameters bound
    contracts  the declared schema of each table
    sides      train or test; in the general sample or not
    shards     Parquet files per submission month, named by content
    counts     what became of every record
    papers     the two builds: a snapshot's papers, a release's table
    quality    data tests: each returns the rows that should not be there
    views      warehouse.duckdb, for people with a SQL client
    lineage    column lineage of the marts

What does not belong here: reading arXiv's formats (ingest) and what becomes of a text (corpus).
"""
