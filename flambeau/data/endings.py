"""The endings of the files that hold an example in each row."""

from __future__ import annotations

TABLE = (".csv", ".tsv", ".tab")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq", ".arrow", ".feather")
ROWS = (*TABLE, *JSON_LINES, *PARQUET)
