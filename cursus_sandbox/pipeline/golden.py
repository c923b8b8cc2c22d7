"""Schemas that were seen and blessed: what a contract and the document leave unsaid of a step's data."""

from __future__ import annotations

from collections.abc import Mapping

from cursus_sandbox.errors import Problem, did_you_mean
from cursus_sandbox.pipeline.inputs import Contracts
from cursus_sandbox.tables.schema import TableSchema, merged

GoldenSchemas = Mapping[str, Mapping[str, TableSchema]]  # by step and channel

SUFFIX = ".schemas.yaml"  # of the file of a document's blessed schemas
BLESS = "Bless what there is now:  run --update-schemas"


def with_golden(contracts: Contracts, golden: GoldenSchemas) -> tuple[Contracts, list[Problem]]:
    """The steps' contracts over the blessed schemas, and what is blessed that isn't there."""
    chosen = dict(contracts)
    problems = []
    for step, channels in golden.items():
        if step not in chosen:
            hint = did_you_mean(step, chosen, or_list=False)
            hint = f"{hint} {BLESS}".lstrip()
            problems.append(Problem(f"a blessed schema is of step '{step}', which isn't there", ("golden", step), hint))
            continue
        contract, job_type = chosen[step]
        for channel, schema in channels.items():
            found = [one for one in ("inputs", "outputs") if channel in getattr(contract, one)]
            if not found:
                what = f"a blessed schema is of channel '{channel}' of step '{step}', which isn't there"
                problems.append(Problem(what, ("golden", step, channel), BLESS))
            for section in found:
                ports = dict(getattr(contract, section))
                own = ports[channel].table_schema
                ports[channel] = ports[channel].model_copy(
                    update={"table_schema": merged(schema, own) if own else schema}
                )
                contract = contract.model_copy(update={section: ports})
        chosen[step] = (contract, job_type)
    return chosen, problems
