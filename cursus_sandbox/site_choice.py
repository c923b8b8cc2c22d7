"""Where steps run: on this machine, on the engine that was asked for, or on the hosts of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cursus_sandbox.engine_choice import EngineName, choose_engine
from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.errors import DocumentError, EngineError, Problem
from cursus_sandbox.overrides import option
from cursus_sandbox.pipeline.source import S3Objects, S3Settings, s3_uri
from cursus_sandbox.steps.site import Site, ThisMachine


@contextmanager
def site(
    scheduler: str,
    engine: EngineName | Engine,
    images: list[str],
    workspace: Path,
    store: S3Objects | None,
    *,
    pdb: bool,
) -> Iterator[tuple[Site, tuple[str, ...]]]:
    """Where steps run, and what should be said of the choice of an engine."""
    if scheduler == "local":
        chosen, notes = choose_engine(engine, images, pdb=pdb) if isinstance(engine, str) else (engine, ())
        yield ThisMachine(chosen), notes
        return
    from cursus_sandbox.cluster.address import contact

    option("scheduler", contact, scheduler)
    if pdb or not isinstance(engine, str):
        what = (
            "no worker has a terminal for pdb" if pdb else "workers have engines of their own, and take one by its name"
        )
        raise EngineError(what, hint="Run it here:  --scheduler local")
    try:
        from cursus_sandbox.cluster.site import DaskSite
    except ModuleNotFoundError as error:
        hint = "Install it:  pip install 'cursus-sandbox[dask]'"
        raise EngineError(
            f"to run on {scheduler}, {error.name} is needed, which is not installed", hint=hint
        ) from error
    cluster = DaskSite.connect(scheduler, engine=engine, images=images, workspace=workspace, store=store)
    with closing(cluster) as hosts:
        yield hosts, ()


def store_of(uri: str | None, scheduler: str, how: S3Settings) -> S3Objects | None:
    """Where the hosts of a cluster get files, reached as inputs are, but as somebody; DocumentError if it can't be."""
    if uri is None:
        return None
    try:
        if scheduler == "local":
            raise ValueError("a store is for the hosts of a cluster, and this run is on this machine alone")
        store = S3Objects(uri=s3_uri(uri), endpoint_url=how.endpoint_url, region=how.region, profile=how.profile)
    except ValueError as error:
        hint = "Name a prefix and the cluster:  --store s3://BUCKET/PREFIX --scheduler dask://HOST:8786"
        raise DocumentError([Problem(str(error), hint=hint)]) from error
    from cursus_sandbox.inputs.s3_access import as_reached

    return as_reached(store)
