"""Where things lie in a commit. docs/format.md says the same to people.

datasets/<name>/dataset.json            schema, key, classes, parts
datasets/<name>/rows/<2 of part sha>/<part sha>.parquet
datasets/<name>/gold/<2>/<part sha>.parquet    key, label: nothing in labeling reads it
datasets/<name>/lfs.json                which LFs voted, with fingerprints and faults
datasets/<name>/lf_code.json            which files those LFs came from, by hash
datasets/<name>/votes/<2 of fingerprint>/<fingerprint>/<part sha>.int8   one byte a row
datasets/<name>/label_model.json
datasets/<name>/triage.json             policy and accept thresholds
datasets/<name>/pair_counts.bin         what a label model of pairs learned from
datasets/<name>/vectors.json            by which model a column was embedded
datasets/<name>/vectors/<2 of space>/<space>/<part sha>.f16      a vector for each row
datasets/<name>/soft_labels/<2>/<part sha>.parquet
datasets/<name>/labels/<2>/<part sha>.parquet
datasets/<name>/labels/patches/<number>-<step>.parquet    lines that go before those of the parts
datasets/<name>/review/<batch>.json     tasks that were asked, with reasons
datasets/<name>/annotations/<pull>.jsonl    append-only log
expectations/gates.toml, expectations/*.json
_datahub/...                            datahub's own: verdict.json
"""

from __future__ import annotations

from collections.abc import Iterable

DATASETS = "datasets/"
LF_FOLDER = "labeling_functions/"
OWN = "_datahub/"
VERDICT = "_datahub/verdict.json"
RULES = "expectations/"
GATES = "expectations/gates.toml"


def dataset_file(dataset: str) -> str:
    """Path of the object that says what the dataset is."""
    return f"{DATASETS}{dataset}/dataset.json"


def table_prefix(dataset: str, table: str) -> str:
    """Prefix of a table's parts; `table` is rows, gold, soft_labels or labels."""
    return f"{DATASETS}{dataset}/{table}/"


def table_part(dataset: str, table: str, part_sha256: str) -> str:
    """Path of what a table holds of one part of the rows.

    >>> table_part("news", "rows", "ab12")
    'datasets/news/rows/ab/ab12.parquet'
    """
    return f"{table_prefix(dataset, table)}{part_sha256[:2]}/{part_sha256}.parquet"


def patches_prefix(dataset: str) -> str:
    """Prefix of the patches of the final labels."""
    return f"{table_prefix(dataset, 'labels')}patches/"


def patch_file(dataset: str, number: int, step: str) -> str:
    """Path of a patch: later numbers go before earlier ones, and a step's id makes it unique.

    >>> patch_file("news", 3, "a1")
    'datasets/news/labels/patches/000003-a1.parquet'
    """
    return f"{patches_prefix(dataset)}{number:06d}-{step}.parquet"


def patch_number(path: str) -> int:
    """The number of a patch by its path."""
    return int(path.rpartition("/")[2].partition("-")[0])


def lfs_file(dataset: str) -> str:
    """Path of the manifest of the LFs that voted."""
    return f"{DATASETS}{dataset}/lfs.json"


def lf_code_file(dataset: str) -> str:
    """Path of the record of the files that those LFs came from."""
    return f"{DATASETS}{dataset}/lf_code.json"


def votes_file(dataset: str, fingerprint: str, part_sha256: str) -> str:
    """Path of one LF's votes on one part."""
    return f"{DATASETS}{dataset}/votes/{fingerprint[:2]}/{fingerprint}/{part_sha256}.int8"


def vectors_manifest(dataset: str) -> str:
    """Path of what the dataset's vectors are."""
    return f"{DATASETS}{dataset}/vectors.json"


def vectors_file(dataset: str, space: str, part_sha256: str) -> str:
    """Path of the vectors of one part."""
    return f"{DATASETS}{dataset}/vectors/{space[:2]}/{space}/{part_sha256}.f16"


def label_model_file(dataset: str) -> str:
    """Path of the fitted label model."""
    return f"{DATASETS}{dataset}/label_model.json"


def triage_file(dataset: str) -> str:
    """Path of the policy that labels were accepted under, and of what was measured."""
    return f"{DATASETS}{dataset}/triage.json"


def pair_counts_file(dataset: str) -> str:
    """Path of the pair counts of the votes."""
    return f"{DATASETS}{dataset}/pair_counts.bin"


def review_prefix(dataset: str) -> str:
    """Prefix of the batches of tasks that were asked."""
    return f"{DATASETS}{dataset}/review/"


def review_file(dataset: str, batch: str) -> str:
    """Path of one pushed batch of tasks."""
    return f"{review_prefix(dataset)}{batch}.json"


def annotations_prefix(dataset: str) -> str:
    """Prefix of the annotation log."""
    return f"{DATASETS}{dataset}/annotations/"


def annotations_file(dataset: str, pull: str) -> str:
    """Path of one pull's entries in the annotation log."""
    return f"{annotations_prefix(dataset)}{pull}.jsonl"


def dataset_names(paths: Iterable[str]) -> list[str]:
    """Names of the datasets among these paths, sorted.

    >>> dataset_names(["datasets/news/dataset.json", "datasets/news/rows/ab/ab12.parquet"])
    ['news']
    """
    names = set()
    for path in paths:
        if path.startswith(DATASETS) and path.endswith("/dataset.json"):
            names.add(path[len(DATASETS) : -len("/dataset.json")])
    return sorted(names)
