"""Run a Cursus / SageMaker pipeline on one machine: every step in a SageMaker-like sandbox, its data checked.

The names below are the public interface; they are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cursus_sandbox.api import check, clean, plan, rerun, run
    from cursus_sandbox.errors import DocumentError, EngineError, ExitCode, SandboxError, WorkspaceError
    from cursus_sandbox.executor import PipelineExecutor
    from cursus_sandbox.inputs.registry import S3OutputPathRegistry
    from cursus_sandbox.pipeline.contract import ScriptContract
    from cursus_sandbox.pipeline.dag import PipelineDAG
    from cursus_sandbox.pipeline.plan import PipelineExecutionPlan
    from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
    from cursus_sandbox.planning import PipelineDAGResolver
    from cursus_sandbox.tables.report import DataCompatibilityReport
    from cursus_sandbox.tables.validator import DataCompatibilityValidator

__version__ = "0.1.0"

_HOMES = {
    "api": ("check", "clean", "plan", "rerun", "run"),
    "errors": ("DocumentError", "EngineError", "ExitCode", "SandboxError", "WorkspaceError"),
    "executor": ("PipelineExecutor",),
    "inputs.registry": ("S3OutputPathRegistry",),
    "pipeline.contract": ("ScriptContract",),
    "pipeline.dag": ("PipelineDAG",),
    "pipeline.plan": ("PipelineExecutionPlan",),
    "pipeline.result": ("PipelineExecutionResult", "StepExecutionResult", "StepStatus"),
    "planning": ("PipelineDAGResolver",),
    "tables.report": ("DataCompatibilityReport",),
    "tables.validator": ("DataCompatibilityValidator",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DataCompatibilityReport",
    "DataCompatibilityValidator",
    "DocumentError",
    "EngineError",
    "ExitCode",
    "PipelineDAG",
    "PipelineDAGResolver",
    "PipelineExecutionPlan",
    "PipelineExecutionResult",
    "PipelineExecutor",
    "S3OutputPathRegistry",
    "SandboxError",
    "ScriptContract",
    "StepExecutionResult",
    "StepStatus",
    "WorkspaceError",
    "check",
    "clean",
    "plan",
    "rerun",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
