"""What CreateModel makes of model.tar.gz: the folder that a container of the model sees as /opt/ml/model."""

from __future__ import annotations

import errno
import gzip
import json
import tarfile
import zlib
from pathlib import Path

from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.staging import copy_code
from cursus_sandbox.untrusted import tar

MEMBERS = 100_000
BYTES = 64 * 1024**3
_UNPACKED = "model"
_ODD_NAMES = (errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EINVAL)
_DESCRIPTION = "model.json"


class ModelError(Exception):
    """A model that can't be made of what there is: the step's failure."""


def create_model(
    step: PlannedStep, source: Path, folder: Path, identity: JobIdentity, *, workspace: Path | None = None
) -> None:
    """Unpack the model that `source` holds and describe it, in CreateModel's names; ModelError if it can't be.

    What is code in the step's source folder goes with it; nothing in the `workspace` is.
    """
    archive = archive_in(source)
    unpacked = folder / _UNPACKED
    unpack(archive, unpacked)
    if step.source_dir and step.entry_point and not (unpacked / "code").exists():
        copy_code(step.source_dir, unpacked / "code", workspace)
    described = {
        "ModelName": identity.name,
        "PrimaryContainer": {
            "Image": step.image,
            "ModelDataUrl": identity.file_uri(archive),
            "Environment": {name: setting.value for name, setting in step.environment.items()},
        },
    }
    (folder / _DESCRIPTION).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def model_folder(source: Path, spare: Path) -> Path:
    """The unpacked model of a source: what CreateModel left, else a model.tar.gz, which is unpacked into `spare`."""
    if (source / _DESCRIPTION).is_file() and (source / _UNPACKED).is_dir():
        return source / _UNPACKED
    unpack(archive_in(source), spare)
    return spare


def archive_in(source: Path) -> Path:
    """The one archive there is: ModelDataUrl names a single .tar.gz."""
    if not source.is_dir():
        return source
    found = sorted(one for one in source.iterdir() if one.name.endswith(".tar.gz") and one.is_file())
    named = [one for one in found if one.name == "model.tar.gz"] or found
    if len(named) == 1:
        return named[0]
    there = ", ".join(one.name for one in named) or "none"
    raise ModelError(f"a model is one .tar.gz file, and {source} holds {there}")


def unpack(archive: Path, folder: Path, *, members: int = MEMBERS, size: int = BYTES) -> None:
    """Unpack a model's archive, but nothing that leads out of the folder, and no more than so much of it."""
    folder.mkdir(parents=True, exist_ok=True)
    count = unpacked = 0
    try:
        with tar(archive) as packed:
            for member in packed:
                count, unpacked = count + 1, unpacked + member.size
                if count > members:
                    raise ModelError(f"{archive.name} has more than {members:,} members")
                if unpacked > size:
                    raise ModelError(f"{archive.name} holds more than {size / 1024**3:g} GB")
                packed.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise ModelError(f"{archive.name} can't be unpacked safely: {error}") from error
    except OSError as error:
        if error.errno not in _ODD_NAMES and not isinstance(error, gzip.BadGzipFile):
            raise
        raise ModelError(f"{archive.name} can't be unpacked: {error.strerror or error}") from error
    except (ValueError, OverflowError) as error:  # a NUL in a name, a time that is no number or beyond all clocks
        raise ModelError(f"{archive.name} has a member that no file can be made of: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ModelError(f"{archive.name} is no whole gzipped tar: {error}") from error
