"""Files on disk become pipeline values; what is wrong with them is said with file and line."""

from cursus_sandbox.documents.config import WrittenConfigs, read_config
from cursus_sandbox.documents.contracts import read_contract
from cursus_sandbox.documents.library import ContractLibrary
from cursus_sandbox.documents.pipelines import Written, read_pipeline
from cursus_sandbox.documents.search_path import (
    Contracts,
    OlderContract,
    installed_cursus,
    library_of,
)

__all__ = [
    "ContractLibrary",
    "Contracts",
    "OlderContract",
    "Written",
    "WrittenConfigs",
    "installed_cursus",
    "library_of",
    "read_config",
    "read_contract",
    "read_pipeline",
]
