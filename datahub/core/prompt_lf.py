"""A prompt as a labeling function: a language model is asked, and must answer in our words.

An answer counts only if it is, trimmed and in any case, exactly one of those allowed;
everything else (other words, a refusal, no answer at all) is a fault and never an abstain.
Nothing here asks: `ask` is handed in, and an LF without it says where to get it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from string import Formatter
from typing import ClassVar

import polars as pl

from datahub.core.batch import (
    BatchLF,
    BatchVotes,
    Label,
    RowFault,
    check_labels,
    no_votes,
    number,
    number_labels,
)
from datahub.core.errors import LabelingFunctionError, PromptNotReady, shown
from datahub.core.leaving import NO_RULE, Leaving

QUOTE_LENGTH = 80  # characters of a wrong answer in a fault
_MOST_TOKENS = 1_000_000


@dataclass(frozen=True)
class Question:
    """One question, by all that decides its answer; `endpoint` is empty for the project's own."""

    model: str
    endpoint: str
    system: str
    text: str
    max_tokens: int

    @property
    def id(self) -> str:
        """SHA-256 over all of it: equal questions are asked once."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Reply:
    """What came back: the answer, or the problem that there is none."""

    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Spending:
    """What prompts cost: `requests` sent, questions with a new answer, and answers known before.

    `cost` is None where no price is set.
    """

    requests: int = 0
    answered: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None


Ask = Callable[[str, Sequence[Question]], Sequence[Reply]]  # the LF's name, its questions


@dataclass(frozen=True)
class PromptLF(BatchLF):
    """Made by `prompt`; `connect` gives one that can ask. `answers` are case-folded."""

    kind: ClassVar[str] = "prompt"
    name: str
    template: str
    answers: tuple[tuple[str, Label], ...]
    model: str
    endpoint: str
    system: str
    max_tokens: int
    ask: Ask | None = field(default=None, compare=False, repr=False)
    leaving: Leaving = field(default=NO_RULE, compare=False, repr=False)

    def asking(self, model: str) -> PromptLF:
        """The same that asks `model` where it names none. Raises ConfigError: there is none."""
        if not (self.model or model):
            raise PromptNotReady(
                self.name,
                "model",
                hint='Say model="..." in the LF, or prompt_model in datahub.toml.',
            )
        return replace(self, model=self.model or model)

    def connect(self, ask: Ask, *, model: str, leaving: Leaving = NO_RULE) -> PromptLF:
        """The same with something that asks, and a model where it names none.

        `leaving` says which columns may be sent.
        """
        return replace(self.asking(model), ask=ask, leaving=leaving)

    def for_classes(self, classes: Sequence[str]) -> PromptLF:
        """The same for a dataset with these classes. Raises LabelingFunctionError."""
        if not any(isinstance(label, str) for _, label in self.answers):
            return self
        return replace(self, answers=number_labels(self.name, self.answers, classes))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in the template."""
        fields = [name for _, name, _, _ in Formatter().parse(self.template) if name is not None]
        return tuple(dict.fromkeys(fields))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Those that its answers mean."""
        return tuple(label for _, label in self.answers if isinstance(label, str))

    def spec(self) -> dict[str, object]:
        """All that decides a question, and what its answers mean."""
        return {
            "kind": self.kind,
            "template": self.template,
            "answers": [list(item) for item in self.answers],
            "model": self.model,
            "endpoint": self.endpoint,
            "system": self.system,
            "max_tokens": self.max_tokens,
        }

    def judge(self, frame: pl.DataFrame) -> BatchVotes:
        """Ask about all rows; those with a null in a column of the template are not asked.

        Raises ConfigError, and asks nobody, where a column of the template may not be sent.
        """
        if self.ask is None:
            raise LabelingFunctionError(
                f"LF {self.name!r} is a prompt, and has nobody to ask.",
                hint="Take the LF from `Hub.open().labeling_functions()`: it asks the project's "
                "endpoint (DATAHUB_PROMPT_ENDPOINT).",
                lf=self.name,
            )
        self.leaving.check(f"The prompt {self.name!r}", self.columns)
        rows = self.present(frame)
        votes, faults = no_votes(frame.height), list[RowFault]()
        texts = [self._render(row) for row in frame[rows].iter_rows(named=True)]
        replies = self.ask(self.name, [self.question(text) for text in texts])
        numbers = {answer: number(self.name, label) for answer, label in self.answers}
        for row, reply in zip(rows.tolist(), replies, strict=True):
            label = None if reply.problem else numbers.get(reply.text.strip().casefold())
            if label is None:
                faults.append(RowFault(row, reply.problem or _strange(reply.text), self.model))
            else:
                votes[row] = label
        return BatchVotes(votes, tuple(faults))

    def question(self, text: str) -> Question:
        """What is asked with the rendered text."""
        return Question(self.model, self.endpoint, self.system, text, self.max_tokens)

    def _render(self, row: Mapping[str, object]) -> str:
        parts = []
        for literal, name, _, _ in Formatter().parse(self.template):
            parts += [literal] if name is None else [literal, str(row[name])]
        return "".join(parts)


def prompt(
    name: str,
    template: str,
    *,
    answers: Mapping[str, Label] | Sequence[str],
    model: str = "",
    endpoint: str = "",
    system: str | None = None,
    max_tokens: int = 16,
) -> PromptLF:
    r"""Vote what a language model answers to the template filled with a row's columns.

    `answers` maps the allowed ones to classes, by name or number, or to ABSTAIN; a list of class
    names allows those. `model` and `endpoint` default to
    the project's (prompt_model, DATAHUB_PROMPT_ENDPOINT). `system` defaults to the demand for
    exactly one of the answers.

    >>> lf = prompt("spam", "Is this spam? {text}", answers={"Spam": 1, "ham": 0}, model="small")
    >>> lf.columns, lf.answers
    (('text',), (('spam', 1), ('ham', 0)))
    >>> lf_with_reply = lf.connect(lambda lf, asked: [Reply(" SPAM\n") for _ in asked], model="")
    >>> from types import SimpleNamespace
    >>> lf_with_reply(SimpleNamespace(text="win a prize"))
    1
    """
    is_list = isinstance(answers, Sequence) and not isinstance(answers, str)
    mapping = {word: word for word in answers} if is_list else answers
    labels = check_labels(name, mapping if isinstance(mapping, Mapping) else {})
    by_answer = {str(answer).strip().casefold(): label for answer, label in labels.items()}
    texts = all(isinstance(answer, str) and answer.strip() for answer in labels)
    if not by_answer or not texts or len(by_answer) != len(labels):
        raise LabelingFunctionError(
            f"LF {name!r} allows the answers {answers!r}.",
            hint='Some words that differ by more than case: answers=["spam", "ham"], where these '
            'are classes, or answers={"yes": "spam", "no": "ham", "unclear": ABSTAIN}.',
            lf=name,
        )
    _check_template(name, template)
    for setting, text in (("model", model), ("endpoint", endpoint), ("system", system or "")):
        _check_text(name, setting, text)
    if type(max_tokens) is not int or not 1 <= max_tokens <= _MOST_TOKENS:
        raise LabelingFunctionError(
            f"LF {name!r} has max_tokens={shown(max_tokens)}.",
            hint=f"1 to {_MOST_TOKENS}.",
            lf=name,
        )
    demand = "Answer with exactly one of these, and nothing else: " + ", ".join(answers) + "."
    return PromptLF(
        name,
        template,
        tuple(by_answer.items()),
        model,
        endpoint,
        demand if system is None else system,
        max_tokens,
    )


def checked_prompt(
    name: str,
    *,
    template: str,
    answers: Sequence[tuple[str, Label]],
    model: str,
    endpoint: str,
    system: str,
    max_tokens: int,
) -> PromptLF:
    """The prompt with that `spec()`. Raises LabelingFunctionError, TypeError: there is no such."""
    labels = check_labels(name, dict(answers))
    texts = (template, model, endpoint, system, *labels)
    if not labels or not all(isinstance(text, str) for text in texts):
        raise TypeError("a prompt is made of texts")
    if type(max_tokens) is not int or max_tokens < 1:
        raise TypeError("max_tokens is 1 or more")
    _check_template(name, template)
    return PromptLF(name, template, tuple(labels.items()), model, endpoint, system, max_tokens)


def _check_text(name: str, setting: str, text: object) -> None:
    """Raise LabelingFunctionError for what no request can carry: no text, or half a character."""
    if isinstance(text, str) and text == text.encode(errors="replace").decode():
        return
    raise LabelingFunctionError(
        f"LF {name!r} has the {setting} {shown(text)}.", hint="It is text in Unicode.", lf=name
    )


def _check_template(name: str, template: str) -> None:
    try:
        fields = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except (TypeError, ValueError) as error:
        fields, why = [], f"cannot be read: {error}"
    else:
        why = "names no column"
    if any(spec or conversion for _, spec, conversion in fields):
        fields, why = [], "has more than the name of a column in braces"
    if not fields or not all(column for column, _, _ in fields):
        raise LabelingFunctionError(
            f"The template of LF {name!r} {why}.",
            hint='Columns stand in braces: "Is this spam? {text}"; a brace itself is {{ or }}.',
            lf=name,
        )
    _check_text(name, "template", template)


def _strange(text: str) -> str:
    quote = text if len(text) <= QUOTE_LENGTH else text[:QUOTE_LENGTH] + "..."
    return f"the answer is none of those allowed: {quote!r}"
