"""A check of data that nobody waits for any more ends, however much there is to read."""

import threading

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from cursus_sandbox.bytes_done import Stopped, Until, heard
from cursus_sandbox.tables.schema import TableSchema
from cursus_sandbox.tables.validator import DataCompatibilityValidator

SCHEMA = TableSchema.model_validate({"fields": [{"name": "a", "type": "integer", "constraints": {"minimum": 0}}]})


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_check_is_stopped(tmp_path, name):
    """Once it is to stop it goes on to the end of a block at most."""
    table = pa.table({"a": range(1000)})
    (pacsv.write_csv if name.endswith("csv") else pq.write_table)(table, tmp_path / name)
    check, stopping = DataCompatibilityValidator().check, threading.Event()
    with heard(Until(stopping)):
        assert check(tmp_path, SCHEMA, data="a").rows == 1000
        stopping.set()
        with pytest.raises(Stopped):
            check(tmp_path, SCHEMA, data="a")
