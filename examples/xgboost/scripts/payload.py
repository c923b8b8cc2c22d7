"""Payload: requests in each content type that the model's endpoint should be able to answer.

A field's value is, in this order: what `FIELD_DEFAULTS` says, what it was in the row that the model brings as an
example, or the default for its kind. With a `custom_payload_input`, its files are taken as they are.
"""

import argparse
import csv
import gzip
import io
import json
import os
import tarfile
from pathlib import Path

INPUT_PATHS = {
    "model_input": "/opt/ml/processing/input/model",
    "custom_payload_input": "/opt/ml/processing/input/custom_payload",
}
OUTPUT_PATHS = {"payload_sample": "/opt/ml/processing/output"}
DEFAULTS = {
    "CONTENT_TYPES": "application/json",
    "DEFAULT_NUMERIC_VALUE": "0.0",
    "DEFAULT_TEXT_VALUE": "DEFAULT_TEXT",
    "FIELD_DEFAULTS": "{}",
}


def model_files(folder: Path) -> dict[str, bytes]:
    """The model's files by name: the members of model.tar.gz, or the folder's own."""
    archive = folder / "model.tar.gz"
    if archive.is_file():
        with tarfile.open(archive) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def request(files: dict[str, bytes], env: dict[str, str]) -> dict[str, object]:
    """A value for each feature, in the model's order."""
    texts = set(json.loads(files["hyperparameters.json"])["cat_field_list"])
    values = json.loads(files.get("input_example.json", b"{}")) | json.loads(env["FIELD_DEFAULTS"])
    defaults = {True: env["DEFAULT_TEXT_VALUE"], False: float(env["DEFAULT_NUMERIC_VALUE"])}
    features = files["feature_columns.txt"].decode().split("\n")[:-1]
    return {name: values.get(name, defaults[name in texts]) for name in features}


def rendered(values: dict[str, object], content_type: str) -> tuple[str, bytes]:
    """The name and the content of a request; csv has no header, as SageMaker's endpoints expect."""
    match content_type:
        case "application/json":
            return "payload_application_json_0.json", (json.dumps(values) + "\n").encode()
        case "text/csv":
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(values.values())
            return "payload_text_csv_0.csv", line.getvalue().encode()
        case _:
            raise ValueError(f"CONTENT_TYPES has {content_type!r}; it can have application/json and text/csv.")


def archive(files: dict[str, bytes], path: Path) -> None:
    """Write a .tar.gz whose bytes depend on the names and contents alone: sorted, no times, no owners."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))


def main(
    input_paths: dict[str, str],
    output_paths: dict[str, str],
    environ_vars: dict[str, str],
    job_args: argparse.Namespace | None = None,
) -> dict[str, bytes]:
    """Write payload.tar.gz; give its members."""
    env = DEFAULTS | environ_vars
    custom = input_paths.get("custom_payload_input")
    if custom and Path(custom).is_dir():
        files = {path.name: path.read_bytes() for path in Path(custom).iterdir() if path.is_file()}
    else:
        values = request(model_files(Path(input_paths["model_input"])), env)
        files = dict(rendered(values, content_type.strip()) for content_type in env["CONTENT_TYPES"].split(","))

    target = Path(output_paths["payload_sample"])
    target.mkdir(parents=True, exist_ok=True)
    archive(files, target / "payload.tar.gz")
    for name, content in sorted(files.items()):
        print(f"payload: {name}: {content.decode(errors='replace').strip()}")
    return files


if __name__ == "__main__":
    main(INPUT_PATHS, OUTPUT_PATHS, {name: os.environ.get(name, value) for name, value in DEFAULTS.items()})
