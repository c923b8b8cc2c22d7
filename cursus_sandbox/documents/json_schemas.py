"""JSON Schemas of `dag.yaml` and of `*.step.yaml`, so that an editor completes and checks them.

They say which keys there are and what kind of value each takes. What one value means for another is for `check`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cursus_sandbox.documents.pipelines import Document
from cursus_sandbox.pipeline.contract import JobArgument
from cursus_sandbox.pipeline.values import ChannelName, ContainerPath, EntryPoint, EnvironmentName, StepName, Text
from cursus_sandbox.tables.schema import TableSchema

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Cursus(BaseModel):
    """What Cursus owns may hold more than is named here."""

    model_config = ConfigDict(extra="allow")


class _Port(_Cursus):
    path: ContainerPath | None = None
    required: bool = True
    table_schema: TableSchema | None = Field(default=None, alias="schema")


class _InputPort(_Port):
    channels: list[ChannelName] = []


class _EnvironmentVariables(_Cursus):
    required: list[EnvironmentName] | None = None
    optional: dict[EnvironmentName, Text] | None = None


class _ContractSection(_Cursus):
    entry_point: EntryPoint | None = None
    source_dir: bool = False
    inputs: dict[ChannelName, _InputPort] | None = None
    outputs: dict[ChannelName, _Port] | None = None
    arguments: dict[str, Text] | None = None
    job_arguments: list[JobArgument] | None = None
    env_vars: _EnvironmentVariables | None = None
    framework_requirements: dict[str, Text] | None = None
    input_source_overrides: dict[str, Text] | None = None
    skip_inputs: list[str] | None = None
    sink: bool = False
    description: str | None = None


class _Described(_Cursus):
    type: str | None = None
    data_type: str | None = None
    semantic_keywords: list[str] | None = None
    description: str | None = None


class _Dependency(_Described):
    required: bool = True
    compatible_sources: list[str] | None = None


class _Output(_Described):
    property_path: str | None = None
    aliases: list[str] | None = None


class _Spec(_Cursus):
    dependencies: dict[str, _Dependency] | None = None
    outputs: dict[str, _Output] | None = None


class _Registry(_Cursus):
    sagemaker_step_type: str = "Processing"
    description: str | None = None


class _PartialContract(_Cursus):
    """What a variant lays over the contract."""

    inputs: dict[str, _InputPort] | None = None
    outputs: dict[str, _Port] | None = None


class _Variant(_Cursus):
    """What is different for one job type."""

    contract: _PartialContract | None = None
    spec: _Spec | None = None


class _Interface(_Cursus):
    """A contract: one step type's script, channels, environment and arguments."""

    step_type: StepName
    node_type: str | None = None
    registry: _Registry | None = None
    contract: _ContractSection
    spec: _Spec | None = None
    variants: dict[str, _Variant | None] | None = None


def dag_schema() -> dict[str, Any]:
    """The schema of our own form of a pipeline."""
    schema = {"$schema": _DIALECT, **Document.model_json_schema(), "title": "dag.yaml"}
    steps = schema["properties"]["steps"]
    steps["type"] = ["object", "null"]  # and of the steps, one that says nothing may have nothing below it
    steps["additionalProperties"] = {"anyOf": [steps["additionalProperties"], {"type": "null"}]}
    return schema


def contract_schema() -> dict[str, Any]:
    """The schema of a contract: Cursus' sections, which may hold more, and our `schema:` of a channel."""
    return {"$schema": _DIALECT, **_Interface.model_json_schema(), "title": "*.step.yaml"}
