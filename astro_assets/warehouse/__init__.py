"""Which papers a release holds: SQL models in DuckDB over Arrow and Parquet.

The flow::

    raw records ──> stg_records ───────┐                      ┌─> astro_ph_papers ─┐
                                       ├─> record_outcomes ─> paper_judgements     ├─> month shards
    keys.parquet ─> stg_snapshot_keys ─┘                      └─> general_papers ──┘
    snapshot shards > stg_snapshot (full rows, of the months to be written only)

    sql        reads dbt_like_sql/: which models there are, what they may name, their order
    sql_file   one file: header, refs, its text with relations put in
    sql_statement    is it one SELECT over what it declares?
    inputs     sources and parameters that models may name
    runner     runs models in an in-memory DuckDB, parameters bound
    contract   what a contract is; contracts, mart_contracts, values: those there are
    rules      what a contract promises, as SQL
    tables_page      docs/tables.md, made of all that
    sides      train or test; in the general sample or not
    record_stream    raw records on their way into DuckDB
    spool      rows that are needed again later, on disk while a build lasts
    snapshot_papers  what releases read of a snapshot: keys, and rows by month
    shards     Parquet files per submission month, named by content
    counts     what became of every record
    table_writer     writes the months that are not on disk yet
    papers     the two builds: a snapshot's papers, a release's table
    quality    contracts and data tests: each finds the rows that should not be there
    views      warehouse.duckdb, for people with a SQL client
    lineage    column lineage of SQL models

What does not belong here: reading arXiv's formats (ingest) and what becomes of a text (corpus).
"""
