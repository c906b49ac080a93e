"""Registry and wiring: which adapter serves which port."""

from __future__ import annotations

REGISTRY: dict[str, dict[str, str]] = {
    "rows": {"polars": "datahub.adapters.rows_polars:PolarsRows"},
    "label_model": {
        "snorkel": "datahub.adapters.model_snorkel:SnorkelLabelModel",
        "majority": "datahub.adapters.model_majority:MajorityLabelModel",
    },
    "end_model": {"sklearn": "datahub.adapters.endmodel_sklearn:TfidfEndModel"},
    "review_queue": {
        "embedded": "datahub.adapters.review_embedded:EmbeddedReviewQueue",
        "label-studio": "datahub.adapters.review_labelstudio:LabelStudioReviewQueue",
    },
    "version_store": {"embedded": "datahub.adapters.versions_embedded:EmbeddedVersionStore"},
    "gate": {"great-expectations": "datahub.adapters.gate_gx:GreatExpectationsGate"},
    "catalog": {"sql": "datahub.adapters.catalog_sql:SqlCatalog"},
    "lf_source": {"folder": "datahub.adapters.lfs_folder:FolderLFSource"},
}
