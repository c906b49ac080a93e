"""Vectors of texts as calls: embed them, and find what is like what."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datahub.core.dataset import Key
from datahub.core.errors import ConfigError, InputError, LabelingFunctionError
from datahub.flow.dataset.at import At
from datahub.flow.dataset.leaves import LeavesReport, Way, leaves
from datahub.flow.label import embed as vectors
from datahub.hub.wiring import Wiring

Vector = npt.NDArray[np.float32]


class Embedding(Wiring):
    """texts -> vectors -> similar rows."""

    def embed(
        self, dataset: str | None = None, *, column: str | None = None
    ) -> vectors.EmbedReport:
        """Give each row without one a vector of its text, and commit them."""
        step = self.step()
        column = column or self.settings.embed_column or None
        report = vectors.embed(
            self.at_head(step, dataset),
            self.embedder,
            step,
            column=column,
            leaving=self.settings.leaving,
        )
        self.ran("embed", step, report.commit, {"rows": report.rows, "embedded": report.embedded})
        return report

    def embed_plan(
        self, dataset: str | None = None, *, column: str | None = None
    ) -> vectors.EmbedPlan:
        """What `embed` would do, and where texts would go; nothing is computed or sent."""
        column = column or self.settings.embed_column or None
        leaving = self.settings.leaving
        return vectors.plan(self.at(dataset), self.embedder, column=column, leaving=leaving)

    def leaves(self, dataset: str | None = None) -> LeavesReport:
        """What prompts, the embedding endpoint and the review queue would send; nothing is sent."""
        at = self.at(dataset)
        return leaves(at, self.settings.leaving, [*self._prompt_ways(), *self._other_ways(at)])

    def _prompt_ways(self) -> list[Way]:
        """Prompts among the project's LFs; processes of their own say which columns they read."""
        try:
            lfs = self.lf_source.discover()
        except LabelingFunctionError as error:
            self.warn_once([f"the LFs cannot be read, so that prompts are not listed: {error}"])
            return []
        return [
            Way(
                "prompt",
                lf.name,
                lf.endpoint or self.settings.prompt_endpoint,
                lf.columns or (),
                strict=True,
            )
            for lf in lfs
            if lf.kind == "prompt"
        ]

    def _other_ways(self, at: At) -> list[Way]:
        settings, ways = self.settings, list[Way]()
        if settings.embed_endpoint:
            column = vectors.text_column(at.dataset, settings.embed_column or None)
            ways.append(Way("embed", column, settings.embed_endpoint, [column], strict=True))
        if settings.queue != "embedded":
            name, key = settings.queue, at.key
            columns = at.dataset.content_columns
            address = settings.labelstudio_url or "this project's own server, on loopback"
            ways.append(Way("review", name, address, columns, strict=False, needs=[key]))
        return ways

    def similar(
        self,
        key: Key | None = None,
        *,
        text: str | None = None,
        dataset: str | None = None,
        ref: str | None = None,
        limit: int = 10,
    ) -> list[vectors.SimilarRow]:
        """Rows whose texts are most like that of a row, or like a text; best first.

        Raises NotFound (no such row, no vectors), InputError (rows without vectors), ConfigError
        (a text, and the vectors are of another model than the settings name).
        """
        at = self.at(dataset, ref=ref)
        if text is None:
            if key is None:
                raise ConfigError("Like what?", hint="Give a key, or a text.")
            return _like_row(at, key, vectors.vector_of(at, key), limit)
        return self._like_text(at, text, limit)

    def similar_to(
        self, what: str, dataset: str | None = None, *, ref: str | None = None, limit: int = 10
    ) -> list[vectors.SimilarRow]:
        """As `similar`, of what a person typed: the key of a row, or else a text."""
        at = self.at(dataset, ref=ref)
        key = at.parse_key(what)
        query = vectors.find_vector(at, key)
        if query is None:
            return self._like_text(at, what, limit)
        return _like_row(at, key, query, limit)

    def _like_text(self, at: At, text: str, limit: int) -> list[vectors.SimilarRow]:
        manifest = at.current_vectors
        if self.embedder.id != manifest.model:
            raise ConfigError(
                f"The vectors of {at.name!r} are by {manifest.name!r}, and the settings name "
                f"another model, {self.embedder.name!r}.",
                hint="Run `datahub embed` again, or set embed_model to the earlier one.",
            )
        return vectors.similar(at, self.embedder.embed([text])[0], limit=limit)


def _like_row(at: At, key: Key, query: Vector, limit: int) -> list[vectors.SimilarRow]:
    if not query.any():
        raise InputError(
            f"The row {key!r} of {at.name!r} has no text, so nothing is like it.",
            hint="Name another row, or a text.",
        )
    rows = vectors.similar(at, query, limit=limit + 1)
    return [row for row in rows if row.key != key][:limit]
