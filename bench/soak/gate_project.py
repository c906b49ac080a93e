"""A project with a guarded main, on the embedded store: what attempts on the gate begin with."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl

from datahub import Hub
from datahub.core.errors import NotFound
from datahub.core.signing import key_id

Act = Callable[[Hub, random.Random], None]
DATASET = "mail"
LFS = (
    "from datahub import keywords\n"
    'offer = keywords("offer", ["prize", "free"], 1)\n'
    'thanks = keywords("thanks", ["thanks", "dinner"], 0)\n'
)
SUITE = {
    "name": "rows",
    "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}}],
}
GATE = '[[gate]]\nbranch = "main"\ndataset = "mail"\ntable = "{}"\nsuite = "rows.json"\n'


def opened(project: Path, secret: str) -> Hub:
    """The project, for whoever has the secret."""
    return Hub.open(project, verdict_secret=secret, author="ann", end_model="none")


def make(project: Path, *, secret: str) -> None:
    """A project with votes, labels and answers of people, its main guarded and signed for."""
    project.mkdir()
    hub, _ = Hub.init(project, dataset=DATASET)
    words = ["free prize {}", "thanks for dinner {}", "neither {}"]
    texts = [words[i % 3].format(i) for i in range(30)]
    kinds = [("spam", "ham", "ham")[i % 3] for i in range(30)]
    pl.DataFrame({"id": range(30), "text": texts, "kind": kinds}).write_parquet(
        project / "mail.parquet"
    )
    (project / "labeling_functions" / "first.py").write_text(LFS)
    hub.import_rows(str(project / "mail.parquet"), key="id", gold="kind")
    (project / "expectations" / "rows.json").write_text(json.dumps(SUITE))
    write_rules(project, f'signed_by = "{key_id(secret)}"\n\n')
    opened(project, secret).gate_set(reason="begin")
    hub = opened(project, secret)
    hub.switch("work", create=True)
    hub.lf_run()
    hub.label_fit()
    review(hub, random.Random(0))
    opened(project, secret).merge("work", into="main")


def write_rules(project: Path, signed_by: str = "", *, text: str | None = None) -> None:
    """Write gates.toml: the gate of main, or a text of its own."""
    rules = signed_by + GATE.format("rows") if text is None else text
    (project / "expectations" / "gates.toml").write_text(rules)


def hub_on(hub: Hub, branch: str) -> Hub:
    """The same project on another branch."""
    secret = hub.settings.verdict_secret
    return Hub.open(
        hub.settings.root, branch=branch, verdict_secret=secret, author="ann", end_model="none"
    )


def fresh_branch(hub: Hub, chance: random.Random, at: str = "main") -> str:
    """A new branch."""
    name = f"work-{chance.randrange(10**9)}"
    hub.create_branch(name, at=at)
    return name


def any_of(chance: random.Random, things: Iterable[Any]) -> Any:
    """Any of them. Raises NotFound where there is none to act on."""
    found = list(things)
    if not found:
        raise NotFound("There is nothing to act on.", hint="Take another act.")
    return chance.choice(found)


def review(hub: Hub, chance: random.Random) -> None:
    """People answer on the branch work."""
    work = hub_on(hub, "work")
    work.review_push(budget=3)
    tasks = work.review_open(annotator="bob")
    work.review_answer(
        [(task, chance.choice(["spam", "ham", None])) for task, _ in tasks], annotator="bob"
    )
    work.review_pull()
