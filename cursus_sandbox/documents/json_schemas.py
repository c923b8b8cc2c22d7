"""JSON Schemas of `dag.yaml` and of `*.step.yaml`, so that an editor completes and checks them.

They say which keys there are and what kind of value each takes. What one value means for another is for `check`.
"""

from __future__ import annotations

from typing import Any

from cursus_sandbox.documents.contract_keys import Interface
from cursus_sandbox.documents.pipelines import Document

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def dag_schema() -> dict[str, Any]:
    """The schema of our own form of a pipeline."""
    schema = {"$schema": _DIALECT, **Document.model_json_schema(), "title": "dag.yaml"}
    steps = schema["properties"]["steps"]
    steps["type"] = ["object", "null"]  # and of the steps, one that says nothing may have nothing below it
    steps["additionalProperties"] = {"anyOf": [steps["additionalProperties"], {"type": "null"}]}
    return schema


def contract_schema() -> dict[str, Any]:
    """The schema of a contract: Cursus' sections, which may hold more, and our `schema:` of a channel."""
    return {"$schema": _DIALECT, **Interface.model_json_schema(), "title": "*.step.yaml"}
