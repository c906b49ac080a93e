"""What `datahub ci` found, as people and machines in CI read it. Pure, like `gate_report`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from xml.sax.saxutils import quoteattr

from datahub.core.ci_outcome import CIResult
from datahub.core.error_kinds import DatahubError
from datahub.core.gate_outcome import Outcome
from datahub.core.gate_report import COMMENT_LIMIT, json_report, junit, markdown
from datahub.core.label_change import DatasetChange, LFLine, Side
from datahub.core.markdown import code, cut, folded, plain, table
from datahub.core.scoring import Judged
from datahub.core.verdict import Verdict, refusing

_ROOM = 20_000  # characters of what changed in one dataset
_RULES_SHOWN = 50
_WHY = 8  # reasons that are told first
_WHY_LONG = 300  # characters of one


def ci_markdown(result: CIResult) -> str:
    """For a comment under a pull request: the answer first, COMMENT_LIMIT characters at most.

    Then why, what becomes of labels, and folded the rest: all expectations, and all LFs.
    """
    text = f"### Change of {code(result.into)}: {result.state}\n\n"
    text += "".join(f"- {line}\n" for line in summary(result))
    text += "".join(_why(result)) + "".join(_rules(result))
    for change in result.changes:
        text += _dataset(change, min(_ROOM, COMMENT_LIMIT // 2 - len(text)))
    if result.verdict is not None:
        title = f"All {result.verdict.checks} expectations"
        room = COMMENT_LIMIT - len(text) - len(folded(title, "")) - 40
        gate = markdown(_outcome(result), limit=room)
        text += folded(title, gate.replace("### ", "#### ", 1))
    return text


def ci_junit(result: CIResult) -> str:
    """A case for each expectation; one that passed where there was nothing to judge."""
    verdict = result.verdict
    if verdict is None:
        name = quoteattr(plain(f"labels of {result.into} are as they were"))
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<testsuite name="datahub ci" tests="1" failures="0" errors="0">\n'
            f'  <testcase classname="datahub" name={name}/>\n</testsuite>\n'
        )
    return junit(_outcome(result))


def ci_json(result: CIResult) -> str:
    """The gate's object, with `state` of the whole, `changes`, `rules` and what they `tried`."""
    gate = json.loads(json_report(_outcome(result)))
    content = {
        **gate,
        "state": result.state,
        "error": None,
        "changes": [asdict(change) for change in result.changes],
        "rules": asdict(result.rules) if result.rules else None,
        "tried": tried_words(result),
        "votes": result.votes,
    }
    return json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n"


def summary(result: CIResult) -> Iterator[str]:
    """What matters most, a sentence each."""
    verdict = result.verdict
    if verdict is None:
        yield "No votes and no labels change, so nothing was judged."
    elif verdict.passed:
        yield f"Passed by the rules of {code(result.into)}: {verdict.checks} expectations."
    else:
        failures = sum(failure.severity not in ("warning", "info") for failure in verdict.failures)
        yield f"Refused by the rules of {code(result.into)}: {failures} failed."
    if result.votes:
        yield (
            f"The votes came in a file ({result.votes[:12]}): these LFs ran apart, and their code "
            "was not looked at. This verdict lands nothing."
        )
    for change in result.changes:
        yield _change_words(change)
    if result.rules is not None:
        yield (
            f"The rules in this checkout are not those of {code(result.into)}: "
            f"{len(result.rules.files)} files, {len(result.rules.weaker)} checks weaker. "
            "They judged nothing here."
        )


def tried_words(result: CIResult) -> str:
    """What the rules of the checkout say of the same, in words; empty where they say nothing."""
    trial = result.tried
    if isinstance(trial, DatahubError):
        return f"cannot be used: {trial.message}"
    if isinstance(trial, Verdict):
        refusals = [failure.message for failure in trial.failures]
        return "would pass" if trial.passed else f"would refuse: {'; '.join(refusals[:5])}"
    return trial or ""


def _why(result: CIResult) -> Iterator[str]:
    """What refuses, and what only warns: a line for each."""
    failures = result.verdict.failures if result.verdict is not None else ()
    refusals = refusing(failures)
    warnings = [failure for failure in failures if failure not in refusals]
    for title, entries in (("Refused because", refusals), ("Warned of", warnings)):
        if entries:
            yield f"\n**{title}**\n\n"
        for entry in entries[:_WHY]:
            yield f"- {code(cut(entry.message, _WHY_LONG))} ({code(entry.expectation)})\n"
        if len(entries) > _WHY:
            yield f"- and {len(entries) - _WHY} more, below\n"


def _outcome(result: CIResult) -> Outcome:
    return Outcome(result.source, result.into, result.verdict)


def _change_words(change: DatasetChange) -> str:
    states = {state: [lf.name for lf in change.lfs if lf.state == state] for state in _STATES}
    lfs = "; ".join(
        f"{state}: {', '.join(map(code, names[:8]))}{' ...' if len(names) > 8 else ''}"
        for state, names in states.items()
        if names
    )
    return (
        f"{code(change.dataset)}: {change.flipped} of {change.compared} labels flip "
        f"({change.flip_rate:.1%}), {change.gained} rows gain one, {change.lost} lose it; "
        f"coverage {change.before.coverage:.1%} to {change.after.coverage:.1%}"
        f"{_accuracy_words(change)}. LFs {lfs or 'unchanged'}."
    )


LF_HEAD = ("LF", "", "coverage", "overlaps", "conflicts", "faults", "right by gold")
_STATES = ("edited", "new", "gone")


def _accuracy_words(change: DatasetChange) -> str:
    words = ""
    for name in ("gold", "audit"):
        before, after = getattr(change.before, name), getattr(change.after, name)
        if after is not None:
            earlier = f"{_share(before)} to " if before is not None else ""
            words += f"; right by {name} {earlier}{_share(after)}"
    return words


def _share(score: Judged) -> str:
    accuracy = score.everything.accuracy
    return "-" if accuracy is None else f"{accuracy:.1%}"


def _rules(result: CIResult) -> Iterator[str]:
    rules = result.rules
    if rules is None:
        return
    yield "\n#### Rules of this checkout\n\n"
    if rules.problem:
        yield f"They cannot be read: {code(rules.problem)}\n"
    words = tried_words(result)
    if words:
        yield f"They {words if len(words) < 12 else code(words)} here.\n"
    yield "".join(f"- weaker: {code(text)}\n" for text in rules.weaker[:_RULES_SHOWN])
    yield "".join(f"- {code(text)}\n" for text in rules.other[:_RULES_SHOWN])
    command = code(f"datahub gate set --into {result.into} --reason ...")
    yield f"\nTo make them the rules: {command}\n"


def _dataset(change: DatasetChange, room: int) -> str:
    text = f"\n#### Labels of {code(change.dataset)}\n"
    rows = [[name, str(before), str(after)] for name, before, after in figures(change)]
    text += table(["", "before", "after"], rows, room=room)
    moves = [
        [label_cell(move.before), label_cell(move.after), str(move.rows), keys_cell(move.keys)]
        for move in change.moves
    ]
    if moves:
        text += "\nLabels that change:\n"
        text += table(["from", "to", "rows", "first rows"], moves, room=room // 3)
    lfs = [[code(lf.lf, in_table=True), str(lf.rows), keys_cell(lf.keys)] for lf in change.lf_moves]
    if lfs:
        text += "\nLFs whose votes changed where labels flipped:\n"
        text += table(["LF", "rows", "first rows"], lfs, room=room // 4)
    edits = [lf_cells(line) for line in change.lfs if line.state != "unchanged"]
    if edits:
        text += "\nLFs that change, before and after:\n" + table(LF_HEAD, edits, room=room // 3)
    rest = [lf_cells(line) for line in change.lfs if line.state == "unchanged"]
    if rest:
        text += folded(f"{len(rest)} other LFs", table(LF_HEAD, rest, room=room // 3))
    return text


def figures(change: DatasetChange) -> Iterator[tuple[str, object, object]]:
    """What it is, before and after; the first is Markdown."""
    before, after = change.before, change.after
    yield "rows", before.rows, after.rows
    yield "rows with a label", _covered(before), _covered(after)
    for name in {**after.classes, **before.classes}:
        yield f"of {code(name, in_table=True)}", _of(before, name), _of(after, name)
    for judge in ("gold", "audit"):
        sides = getattr(before, judge), getattr(after, judge)
        if any(sides):
            yield f"right by {judge}", _interval(sides[0]), _interval(sides[1])
    if change.answered:
        yield "labels that people changed", "", change.answered
    if change.by_people:
        yield "answers of people that no longer decide", "", change.by_people


def _covered(side: Side) -> str:
    return f"{side.labeled} ({side.coverage:.1%})"


def _of(side: Side, name: str) -> str:
    count = side.classes.get(name, 0)
    return f"{count} ({count / side.labeled:.1%})" if side.labeled else str(count)


def _interval(score: Judged | None) -> str:
    if score is None or score.everything.accuracy is None:
        return "-"
    low, high = score.interval
    return f"{_share(score)} ({low:.1%} to {high:.1%}, n = {score.everything.labeled})"


def lf_cells(line: LFLine) -> list[str]:
    """The cells below LF_HEAD, as Markdown."""
    sides = line.before, line.after
    cells = [code(line.name, in_table=True), "" if line.state == "unchanged" else line.state]
    for name in ("coverage", "overlaps", "conflicts"):
        cells.append(_pair(*(None if s is None else f"{getattr(s, name):.1%}" for s in sides)))
    faults = [
        None if side is None else str(count)
        for side, count in zip(sides, (line.faults_before, line.faults_after), strict=True)
    ]
    cells.append(_pair(*faults))
    right = [None if s is None or s.accuracy is None else f"{s.accuracy:.1%}" for s in sides]
    return [*cells, _pair(*right)]


def _pair(before: str | None, after: str | None) -> str:
    if after is None:
        return f"was {before}" if before else "-"
    return after if before in (None, after) else f"{before} to {after}"


def label_cell(name: str | None) -> str:
    """A class, or none, as Markdown."""
    return "none" if name is None else code(name, in_table=True)


def keys_cell(keys: tuple[object, ...]) -> str:
    """Keys of rows, as Markdown."""
    return code(", ".join(map(str, keys)), in_table=True)
