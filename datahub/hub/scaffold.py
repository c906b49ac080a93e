"""What `datahub init` writes into a new project."""

from __future__ import annotations

import json
from collections.abc import Mapping

TOML = """\
# Settings of this datahub project. A flag or DATAHUB_<NAME> in the environment goes before them.
dataset = "{dataset}"
{chosen}# store = "lakefs"            # where history lives: in this folder, or on a lakeFS server
# queue = "label-studio"        # who asks people: embedded (terminal, CSV) or label-studio
# label_model = "anchored"      # or dawid-skene, weighted, bayes, snorkel, majority
# end_model = "sklearn"         # or none: labels are the label model's alone
# seed = 0
# budget = 100                  # rows that one `review push` asks about
# audit_share = 0.2             # share of them drawn at random
# overlap = 1                   # people who are asked about each row
# column_kinds = "body=code"    # or title, image, date, text: how people are shown a column
# guesses = "shown"             # or hidden: whether people see what the models guess
# max_fault_share = 0.01        # an LF may raise on this share of rows
# prompt_model = "..."          # prompts as LFs: also DATAHUB_PROMPT_ENDPOINT, _API_KEY
"""

LFS = '''\
"""Labeling functions: each votes a class (0, 1, ...) for a row, or abstains (-1).

Classes are numbered in the order of the dataset's class names. Try them on a sample
with `datahub lf run --sample 200`; `datahub lf run` votes on all rows and commits.
"""

from datahub import ABSTAIN, expression, keywords, regex  # noqa: F401

# The quick kind, run as fast column expressions:
#
#   spam_words = keywords("spam_words", ["subscribe", "free", "winner"], 1)
#   has_link = regex("has_link", r"https?://", 1)
#   import polars as pl
#   very_short = expression("very_short", pl.col("text").str.len_chars() < 20, 0)
#
# And any Python, by Snorkel's decorator:
#
#   from snorkel.labeling import labeling_function
#
#   @labeling_function()
#   def shouting(x):
#       return 1 if x.text.isupper() else ABSTAIN
'''

GATES = """\
# A gate binds a suite of Great Expectations to a table: no merge into `branch` unless it passes.
# `datahub gate set --reason "..."` makes these files the rules; from then on the branch takes
# no direct commit. Tables are labels, soft_labels and rows.
#
# [[gate]]
# branch = "main"
# dataset = "{dataset}"
# table = "labels"
# suite = "labels.json"
"""

SUITE = """\
{
  "name": "labels",
  "expectations": [
    {
      "type": "expect_column_values_to_not_be_null",
      "kwargs": {"column": "label", "mostly": 0.5}
    }
  ]
}
"""


def files(dataset: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Path to content of a new project's files; `settings` are those besides the dataset."""
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items() if value)
    return {
        "datahub.toml": TOML.format(dataset=dataset, chosen=lines),
        "labeling_functions/first.py": LFS,
        "expectations/gates.toml": GATES.format(dataset=dataset),
        "expectations/labels.json": SUITE,
        ".gitignore": ".datahub/\n",
    }
