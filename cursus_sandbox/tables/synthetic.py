"""Tables that keep a schema, made from nothing: the same for the same seed, wherever they are made.

Every column has a stream of its own for each chunk of rows (a keyed blake2b of seed, place, column and chunk number
seeds numpy's PCG64DXSM), so that another column, or more rows, change nothing of what was there. This module imports
numpy and pyarrow; import it where data are made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pacsv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.schema import Field, TableSchema
from cursus_sandbox.tables.synthetic_columns import column

CHUNK = 131_072  # rows
_FEATURES = 3  # columns that a label depends on
_NOISE = 0.3  # beside their sum, each between -1 and 1
_MUCH = 0.25  # about four in ten rows are above


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a table.

    `place` names it among those of one `seed`. The column `label` depends on the first few numbers of its row, so that
    a training on it converges; `key` counts the rows. Columns of a key are the same in every place, for tables are
    joined on them. `nasty` puts every edge a type has into the first rows.
    """

    rows: int = 1000
    seed: int = 0
    place: str = ""
    label: str | None = None
    key: str | None = None
    nasty: bool = False


def write_table(schema: TableSchema, folder: Path, recipe: Recipe) -> Path:
    """Write one file below a folder, under a name the schema's `glob` chooses; CSV or TSV if it asks for that.

    ValueError, with the column, where a field can't be made up.
    """
    file = folder / _name(schema.glob)
    file.parent.mkdir(parents=True, exist_ok=True)
    chunks = batches(schema, recipe)
    first = next(chunks)
    if file.suffix == ".parquet":
        texts = [field.name for field in first.schema if pa.types.is_string(field.type)]
        with pq.ParquetWriter(file, first.schema, compression="snappy", use_dictionary=texts) as writer:
            writer.write_batch(first)
            for batch in chunks:
                writer.write_batch(batch)
        return file
    delimiter = "\t" if ".tsv" in file.name else ","
    options = pacsv.WriteOptions(delimiter=delimiter)
    with (
        pa.output_stream(file, compression="gzip" if file.suffix == ".gz" else None) as opened,
        pacsv.CSVWriter(opened, _as_text(first).schema, write_options=options) as writer,
    ):
        writer.write_batch(_as_text(first))
        for batch in chunks:
            writer.write_batch(_as_text(batch))
    return file


def batches(schema: TableSchema, recipe: Recipe) -> Iterator[pa.RecordBatch]:
    """The rows of a table, a chunk at a time; at least one batch, be it empty."""
    wanted = max(recipe.rows, schema.rows.min or 0) if recipe.rows else 0
    wanted = wanted if schema.rows.max is None else min(wanted, schema.rows.max)
    for chunk in range(max(1, -(-wanted // CHUNK))):
        first = chunk * CHUNK
        yield _batch(schema, recipe, first=first, rows=min(CHUNK, wanted - first))


def _batch(schema: TableSchema, recipe: Recipe, *, first: int, rows: int) -> pa.RecordBatch:
    made = {}
    fields, keys = schema.fields, schema.primary_key
    everywhere = replace(recipe, place="")  # what tables are joined on is the same in all of one seed
    for field in fields:
        counted = field.name == recipe.key or field.name in keys[:1]  # of several, one that differs is enough
        joins = counted or field.name in keys or field.constraints.unique
        asked = field.constraints.model_copy(update={"required": field.constraints.required or field.name in keys})
        made[field.name] = column(
            field.model_copy(update={"constraints": asked}),
            _stream(everywhere if joins else recipe, field.name, first),
            first=first,
            rows=rows,
            counted=counted,
            nasty=recipe.nasty,
        )
    if recipe.label in made:
        label = next(field for field in fields if field.name == recipe.label)
        features = [made[field.name] for field in islice(_features(fields, recipe), _FEATURES)]
        made[label.name] = _label(label, features, _stream(recipe, f"label {label.name}", first), rows)
    return pa.RecordBatch.from_pydict(made)


def _features(fields: tuple[Field, ...], recipe: Recipe) -> Iterator[Field]:
    for field in fields:
        if field.name not in (recipe.label, recipe.key) and field.family in (Family.INTEGER, Family.NUMBER):
            yield field


def _label(field: Field, features: list[pa.Array], stream: np.random.Generator, rows: int) -> pa.Array:
    """1 where the features, measured by their quartiles, add up to much; as the two kinds of value the field has."""
    score = _NOISE * stream.standard_normal(rows)
    for feature in features if rows else ():
        values = np.asarray(feature.cast(pa.float64(), safe=False).fill_null(0.0))
        low, middle, high = np.percentile(values, (25, 50, 75))
        score += np.clip((values - middle) / ((high - low) or 1.0), -1.0, 1.0)
    positive = score > _MUCH
    if len(chosen := field.constraints.enum) > 1:
        made = pa.array(list(chosen[:2])).take(pa.array(positive.astype(np.int64)))
        return made.cast(pa.type_for_alias(field.arrow)) if field.arrow else made
    if field.family is Family.STRING:
        return pa.array(np.where(positive, "yes", "no"))
    if field.family is Family.BOOLEAN:
        return pa.array(positive)
    kind = pa.type_for_alias(field.arrow) if field.arrow else pa.int64()
    if field.family is Family.NUMBER and not field.arrow:
        kind = pa.float64()
    return pa.array(positive.astype(np.int64)).cast(kind)


def _stream(recipe: Recipe, name: str, first: int) -> np.random.Generator:
    said = "\0".join((str(recipe.seed), recipe.place, name, str(first // CHUNK)))
    digest = hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16, key=b"cursus-sandbox 1")
    return np.random.Generator(np.random.PCG64DXSM(int.from_bytes(digest.digest(), "big")))


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """What has no form of its own in CSV, as JSON-like text."""
    columns = [
        pa.array([None if one is None else str(one) for one in values.to_pylist()], pa.string())
        if pa.types.is_nested(values.type) or pa.types.is_binary(values.type)
        else values
        for values in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _name(glob: str) -> str:
    """A path that a pattern chooses; the pattern's own end says the format."""
    ends = (".parquet", ".csv.gz", ".tsv.gz", ".csv", ".tsv")
    *folders, last = glob.split("/")
    end = next((one for one in ends if last.endswith(one)), ".parquet")
    stem = last.removesuffix(end)
    plain = "part-0" if not stem or set("*?[") & set(stem) else stem
    if stem not in ("", "*") and plain == "part-0":
        plain = stem.replace("*", "").replace("?", "0") or "part-0"
    kept = [part for part in folders if part != "**"]
    return "/".join([*(part.replace("*", "a").replace("?", "a") for part in kept), plain + end])
