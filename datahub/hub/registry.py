"""Which adapter serves which port: dotted strings, so that nothing loads before its use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

REGISTRY: dict[str, dict[str, str]] = {
    "rows": {"polars": "datahub.adapters.rows_polars:PolarsRows"},
    "label_model": {
        "anchored": "datahub.adapters.model_anchored:AnchoredLabelModel",
        "dawid-skene": "datahub.adapters.model_dawid_skene:DawidSkeneLabelModel",
        "weighted": "datahub.adapters.model_weighted:WeightedLabelModel",
        "bayes": "datahub.adapters.model_bayes:BayesLabelModel",
        "snorkel": "datahub.adapters.model_snorkel:SnorkelLabelModel",
        "majority": "datahub.adapters.model_majority:MajorityLabelModel",
    },
    "end_model": {"sklearn": "datahub.adapters.endmodel_sklearn:LogisticEndModel"},
    "embedder": {
        "onnx": "datahub.adapters.embedder_onnx:OnnxEmbedder",
        "openai": "datahub.adapters.embedder_openai:OpenAIEmbedder",
    },
    "review_queue": {
        "embedded": "datahub.adapters.review_embedded:EmbeddedReviewQueue",
        "label-studio": "datahub.adapters.review_labelstudio:LabelStudioReviewQueue",
    },
    "version_store": {
        "embedded": "datahub.adapters.versions_embedded:EmbeddedVersionStore",
        "lakefs": "datahub.adapters.versions_lakefs:LakeFSVersionStore",
    },
    "prompts": {"openai": "datahub.adapters.prompts_openai:OpenAIPrompts"},
    "gate": {
        "polars": "datahub.adapters.gate_polars:PolarsGate",
        "great-expectations": "datahub.adapters.gate_gx:GreatExpectationsGate",
    },
    "catalog": {"sql": "datahub.adapters.catalog_sql:SqlCatalog"},
    "accounts": {"sql": "datahub.adapters.catalog_sql.accounts:SqlAccounts"},
    "jobs": {"sql": "datahub.adapters.catalog_sql.jobs:SqlJobs"},
    "lf_source": {"folder": "datahub.adapters.lfs_folder:FolderLFSource"},
}


def adapter(port: str, name: str) -> Any:
    """The class that serves a port under a name; its module is imported now."""
    module, _, attribute = REGISTRY[port][name].partition(":")
    return getattr(import_module(module), attribute)


def load(path: str) -> Any:
    """The attribute that `module:attribute` names."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
