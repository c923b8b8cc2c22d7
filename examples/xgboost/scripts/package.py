"""Package: the model, its calibrator and its inference code in one archive that SageMaker can deploy.

model.tar.gz
  <the model's own files>
  calibration/    how to turn its scores into probabilities
  code/           how to answer a request
"""

import argparse
import gzip
import io
import tarfile
from pathlib import Path

INPUT_PATHS = {
    "model_input": "/opt/ml/processing/input/model",
    "inference_scripts_input": "/opt/ml/processing/input/script",
    "calibration_model": "/opt/ml/processing/input/calibration",
}
OUTPUT_PATHS = {"packaged_model": "/opt/ml/processing/output"}
DEFAULTS = {}


def folder_files(folder: Path) -> dict[str, bytes]:
    """The files below a folder by relative name, but for caches and markers."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("_")
    }


def model_files(folder: Path) -> dict[str, bytes]:
    """The model's files by name: the members of model.tar.gz, or the folder's own."""
    archive = folder / "model.tar.gz"
    if not archive.is_file():
        return folder_files(folder)
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


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
) -> list[str]:
    """Write model.tar.gz; give the names of its members."""
    there = {name: Path(path) for name, path in input_paths.items() if Path(path).is_dir()}
    files = model_files(there["model_input"])
    if not files:
        raise FileNotFoundError(f"{there['model_input']} has no model in it.")
    for channel, prefix in {"calibration_model": "calibration", "inference_scripts_input": "code"}.items():
        if channel in there:
            files |= {f"{prefix}/{name}": content for name, content in folder_files(there[channel]).items()}

    target = Path(output_paths["packaged_model"])
    target.mkdir(parents=True, exist_ok=True)
    archive(files, target / "model.tar.gz")
    for name in sorted(files):
        print(f"package: {len(files[name]):>9,} bytes  {name}")
    return sorted(files)


if __name__ == "__main__":
    main(INPUT_PATHS, OUTPUT_PATHS, {})
