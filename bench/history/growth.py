"""How many bytes a job takes on disk, by table, with its event, its result and their indexes."""

from collections.abc import Iterator

from bench.history.databases import execute
from core.store.engine.sqlite import sqlite_path

YEAR_JOBS = 365 * 10_000
GIB = 2**30
# `pageno` is the number of pages here; `pgsize` would pass over 2 GiB.
_SQLITE = """
    SELECT m.tbl_name, sum(CASE WHEN m.type = 'table' THEN s.pageno ELSE 0 END) * p.page_size,
        sum(CASE WHEN m.type = 'index' THEN s.pageno ELSE 0 END) * p.page_size
    FROM dbstat s JOIN sqlite_master m ON m.name = s.name CROSS JOIN pragma_page_size p
    WHERE s.aggregate = 1 GROUP BY m.tbl_name
"""
_POSTGRES = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
Values = dict[str, float]


def growth(url: str) -> Iterator[tuple[str, Values]]:
    """Bytes of each table and of its indexes for each job, and of all together, the largest first.

    A table that has less than a byte for each job is only part of all.
    """
    [(jobs,)] = execute(url, "SELECT count(*) FROM job")
    rows = execute(url, _SQLITE if sqlite_path(url) else _POSTGRES)
    sizes = {str(name): (int(table) / jobs, int(index) / jobs) for name, table, index in rows}
    yield "all tables", _values(*(sum(each) for each in zip(*sizes.values(), strict=True)))
    for name, (table, index) in sorted(sizes.items(), key=lambda one: -sum(one[1])):
        if table + index >= 1:
            yield name, _values(table, index)


def _values(table: float, index: float) -> Values:
    both = table + index
    return {"table": table, "index": index, "both": both, "year_gib": both * YEAR_JOBS / GIB}
