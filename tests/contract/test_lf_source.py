"""What every LFSource promises: fresh imports, clear refusals, and honest fingerprints."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from datahub.adapters.lfs_folder.discovery import discover_lfs
from datahub.core.errors import LabelingFunctionError
from datahub.core.labeling import LabelingFunction, LFOutput, apply
from datahub.hub import REGISTRY
from datahub.ports import FoundLF, LFSource


@dataclass(frozen=True, kw_only=True)
class Seen(FoundLF):
    """What is known of an LF, and the LF."""

    lf: LabelingFunction


@dataclass(frozen=True)
class Written:
    """A project's source of LFs.

    Most of what follows is the same in every process: it is asked here of what the source's
    processes run, `discover_lfs`.
    """

    source: LFSource
    project: Path

    def discover(self) -> list[Seen]:
        found = discover_lfs(self.project, self.project / "lfs").lfs
        return [Seen(**vars(one.found), lf=one.lf) for one in found]

    def applied(
        self, frames: Iterable[pl.DataFrame], *, jobs: int, found: list[FoundLF] | None = None
    ) -> list[LFOutput]:
        """What the source's processes say of frames."""
        with self.source.workers(jobs) as workers:
            lfs = workers.lfs if found is None else found
            return list(workers.apply(((b, lfs) for b in frames), key="id", cardinality=2))


Write = Callable[..., Written]

SNORKEL = "import re\nfrom snorkel.labeling import labeling_function\n"
GOAL = SNORKEL + "@labeling_function()\ndef goal(x):\n    return 3 if 'goal' in x.text else -1\n"
DECLARED = "from datahub import keywords, regex, expression\n"


@pytest.fixture(params=sorted(REGISTRY["lf_source"]))
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Write files {name: text} into a project and return its source of LFs."""
    module, _, name = REGISTRY["lf_source"][request.param].partition(":")
    build = {"folder": lambda at: getattr(import_module(module), name)(at, at / "lfs")}

    def written(files: dict[str, str], *, project: str = "project") -> Written:
        for file, text in files.items():
            path = tmp_path / project / "lfs" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        source: LFSource = build[request.param](tmp_path / project)
        return Written(source, tmp_path / project)

    return written


def one(write: Write, text: str, *, project: str = "project") -> Seen:
    """The first LF of a project whose only file is `news.py`."""
    return write({"news.py": text}, project=project).discover()[0]


def vote(lf: LabelingFunction, text: str) -> int:
    return lf(SimpleNamespace(text=text))


# What is found


def test_lfs_come_in_order_of_file_and_definition(write: Write) -> None:
    second = DECLARED + 'LFS = [keywords("z", ["a"], 0), regex("y", "b", 1)]\n'
    source = write({"b.py": GOAL, "a.py": second + 'x = keywords("x", ["c"], 0)\n'})

    found = source.source.discover()

    assert [(lf.name, lf.file, lf.line, lf.kind) for lf in found] == [
        ("z", "lfs/a.py", 2, "keywords"),
        ("y", "lfs/a.py", 2, "regex"),
        ("x", "lfs/a.py", 3, "keywords"),
        ("goal", "lfs/b.py", 3, "snorkel"),
    ]
    assert vote(source.source.load().lfs[3], "a goal") == 3
    assert found == [one.found for one in discover_lfs(source.project, source.project / "lfs").lfs]


def test_an_lf_imported_by_another_file_counts_once_and_where_it_stands(write: Write) -> None:
    files = {"a.py": "from z import goal\nimport z\nALL = [z.goal, goal]\n", "z.py": GOAL}

    found = write(files).discover()

    assert [(lf.lf.name, lf.file) for lf in found] == [("goal", "lfs/z.py")]


def test_siblings_import_one_another_plainly_relatively_and_from_below(write: Write) -> None:
    body = "@labeling_function()\ndef goal(x):\n    return A + B + C\n"
    imports = "from _words import A\nfrom ._words import B\nfrom deep.words import C\n"
    files = {"a.py": SNORKEL + imports + body, "_words.py": "A = 1\nB = 1\n"}

    found = write({**files, "deep/words.py": "C = 1\n"}).discover()

    assert vote(found[0].lf, "") == 3


def test_a_file_named_like_a_standard_module_does_not_replace_it(write: Write) -> None:
    files = {"statistics.py": GOAL, "a.py": "import statistics\nassert statistics.mean([1]) == 1\n"}

    assert [lf.lf.name for lf in write(files).discover()] == ["goal"]


def test_plain_functions_and_decorators_are_no_lfs(write: Write) -> None:
    found = write({"a.py": GOAL + "maybe = labeling_function(name='x')\ndef f(x): ...\n"})

    assert [lf.lf.name for lf in found.discover()] == ["goal"]


def test_lfs_of_a_users_own_class_are_found(write: Write) -> None:
    own = (
        "from snorkel.labeling import LabelingFunction\n"
        "class Mine(LabelingFunction):\n"
        "    def __call__(self, x):\n        return 1\n"
        "mine = Mine('mine', None)\n"
    )

    found = one(write, own)

    assert (found.lf.name, found.line, found.kind, found.safe) == ("mine", 5, "snorkel", True)
    assert found.fingerprint != one(write, own.replace("return 1", "return 0")).fingerprint


# What stays behind


def test_loading_leaves_no_trace(write: Write, tmp_path: Path) -> None:
    source = write({"a.py": "import words\n" + GOAL, "words.py": "", "deep/below.py": ""})
    source.discover()  # snorkel itself stays loaded
    before = set(sys.modules), list(sys.path), list(sys.meta_path), sys.dont_write_bytecode

    source.discover()

    assert before == (set(sys.modules), sys.path, sys.meta_path, sys.dont_write_bytecode)
    assert not list(tmp_path.rglob("__pycache__"))


def test_an_edit_is_seen_at_the_next_discover(write: Write) -> None:
    assert vote(one(write, GOAL).lf, "goal") == 3

    assert vote(one(write, GOAL.replace("3", "2")).lf, "goal") == 2


def test_two_projects_with_equal_file_names_do_not_meet(write: Write) -> None:
    news = "from words import W\n" + GOAL.replace("3", "W")
    sources = [write({"news.py": news, "words.py": f"W = {i}\n"}, project=str(i)) for i in range(2)]

    assert [vote(source.discover()[0].lf, "goal") for source in sources] == [0, 1]


def test_what_a_file_prints_does_not_reach_stdout(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write({"news.py": "print('loading')\n" + GOAL}).source.discover()

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "lfs/news.py:1: loading\n")


# What is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\ny = 1 / 0\n", "lfs/news.py:2 does not import: ZeroDivisionError: division"),
        ("x = 1\ndef f(:\n", "lfs/news.py:2 does not import: SyntaxError: invalid syntax"),
        ("import nowhere_at_all\n", "lfs/news.py:1 does not import: ModuleNotFoundError: No mod"),
        ("\nraise SystemExit('bye')\n", "lfs/news.py:2 does not import: SystemExit: bye"),
        ("raise GeneratorExit\n", "lfs/news.py:1 does not import: GeneratorExit"),
        (
            "class E(Exception):\n    def __str__(self): 1 / 0\nraise E\n",
            "lfs/news.py:3 does not import: E: (its text raised ZeroDivisionError",
        ),
        (
            "from datahub import regex\n\nregex('a', '(', 0)\n",
            "lfs/news.py:3 does not import: LF 'a' has a pattern",
        ),
        ("x = '\0'\n", "lfs/news.py:1 does not import: "),
    ],
)
def test_a_file_that_does_not_import_is_named_with_its_line(
    write: Write, text: str, reason: str
) -> None:
    with pytest.raises(LabelingFunctionError) as caught:
        one(write, text)

    assert caught.value.message.startswith(reason)
    assert caught.value.__cause__ is not None


def test_an_lf_refused_as_it_is_made_keeps_its_hint(write: Write) -> None:
    with pytest.raises(LabelingFunctionError) as caught:
        one(write, "from datahub import keywords\nkeywords('a', ['b'], '')\n")

    assert caught.value.hint.startswith("Name one, or give its number from 0")


def test_files_that_import_each_other_are_told_without_the_place_of_the_folder(
    write: Write, tmp_path: Path
) -> None:
    with pytest.raises(LabelingFunctionError, match="circular import") as caught:
        write({"a.py": "from b import B\nA = 1\n", "b.py": "from a import A\nB = 1\n"}).discover()

    assert "import each other" in caught.value.hint
    assert "(lfs/a.py)" in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_the_line_that_failed_may_stand_in_a_sibling(write: Write) -> None:
    with pytest.raises(LabelingFunctionError, match=r"lfs/words\.py:2 does not import: KeyError"):
        write({"a.py": "import words\n", "words.py": "\n{}['x']\n"}).discover()


def test_a_failed_load_leaves_no_trace_either(write: Write) -> None:
    before = set(sys.modules), list(sys.path), list(sys.meta_path)

    with pytest.raises(LabelingFunctionError):
        write({"a.py": "import words\n1 / 0\n", "words.py": ""}).discover()

    assert before == (set(sys.modules), sys.path, sys.meta_path)


def test_a_file_that_python_cannot_name_is_refused(write: Write) -> None:
    with pytest.raises(LabelingFunctionError, match=r"lfs/a\.b\.py has a dot in its name"):
        write({"a.b.py": GOAL}).discover()


def test_bytes_that_are_no_text_are_refused(write: Write, tmp_path: Path) -> None:
    source = write({"a.py": GOAL})
    (tmp_path / "project/lfs/b.py").write_bytes(b"x = '\xff'\n")

    with pytest.raises(LabelingFunctionError, match=r"lfs/b\.py:1 does not import"):
        source.discover()


def test_a_name_that_stands_in_two_files_is_refused_with_both_lines(write: Write) -> None:
    files = {"a.py": GOAL, "b.py": DECLARED + '\nlf = keywords("goal", ["x"], 0)\n'}

    with pytest.raises(LabelingFunctionError, match=r"lfs/a\.py:3 and lfs/b\.py:3") as caught:
        write(files).discover()

    assert caught.value.lf == "goal"


def test_a_function_replaced_by_one_of_the_same_name_is_refused(write: Write) -> None:
    """The first would be lost without a word."""
    with pytest.raises(LabelingFunctionError, match=r"lfs/news\.py:3 and lfs/news\.py:6"):
        one(write, GOAL + "@labeling_function()\ndef goal(x):\n    return -1\n")


@pytest.mark.parametrize("name", ["", "a b", "1st", "a/b", "tör", "a\n", 5])
def test_a_name_that_cannot_be_a_column_is_refused(write: Write, name: object) -> None:
    with pytest.raises(LabelingFunctionError, match=r"lfs/news\.py:2: .* cannot be the name"):
        one(write, DECLARED + f"lf = keywords({name!r}, ['x'], 0)\n")


@pytest.mark.parametrize("files", [{}, {"a.py": ""}, {"_a.py": GOAL}, {".#a.py": GOAL}])
def test_none_found_is_refused_with_an_example(write: Write, files: dict[str, str]) -> None:
    with pytest.raises(LabelingFunctionError, match="No labeling function in lfs") as caught:
        write(files).discover()

    assert "keywords(" in caught.value.hint


# Fingerprints

REACHING = (
    SNORKEL
    + """
from snorkel.preprocess import preprocessor
import functools
LIMIT = 3
WORDS = {"b": 1, "a": 2}
SEEN = {"x", "y"}
FIND = re.compile("goal", re.I).search
def long(text, least=LIMIT):
    return len(text) > least or any(w in text for w in WORDS) or deeper(text)
def deeper(text):
    return text in SEEN and long(text)
class Shape:
    edge = 9
    def fits(self, text):
        return len(text) < self.edge
shape = Shape()
def loud(f):
    times = 4
    @functools.wraps(f)
    def louder(x):
        return f(x) if times else -1
    return louder
@preprocessor(memoize=True)
def lower(x):
    x.text = x.text.lower()
    return x
@labeling_function(resources={"extra": ["r"]}, pre=[lower])
@loud
def goal(x, extra):
    return 3 if FIND(x.text) and long(x.text) and shape.fits(x.text) else -1
# a word about the other one
@labeling_function()
def other(x):
    return 1
"""
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 3 if", "return 2 if"),
        ("LIMIT = 3", "LIMIT = 4"),
        ('{"b": 1, "a": 2}', '{"b": 1, "c": 2}'),
        ('{"b": 1, "a": 2}', '{"a": 2, "b": 1}'),
        ('"x", "y"', '"x", "z"'),
        ('compile("goal", re.I)', 'compile("goal")'),
        ("len(text) > least", "len(text) >= least"),
        ("text in SEEN and", "text not in SEEN and"),
        ("edge = 9", "edge = 8"),
        ("len(text) < self.edge", "len(text) <= self.edge"),
        ("times = 4", "times = 0"),
        ("x.text.lower()", "x.text.upper()"),
        ('["r"]', '["s"]'),
        (", pre=[lower]", ""),
    ],
)
def test_whatever_an_lf_reaches_changes_its_fingerprint(write: Write, old: str, new: str) -> None:
    before = one(write, REACHING)

    after = one(write, REACHING.replace(old, new))

    assert REACHING.count(old) == 1
    assert (before.safe, after.safe) == (True, True)
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a word about the other one", "# two words"),
        ("def other(x):\n    return 1", "def other(x):\n    return 2"),
        ('{"x", "y"}', '{"y", "x"}'),
        ("LIMIT = 3", "# the least\nUNUSED = 1\nLIMIT = 3"),
        ("\n", "\r\n"),
    ],
)
def test_what_it_does_not_reach_leaves_its_fingerprint(write: Write, old: str, new: str) -> None:
    assert one(write, REACHING).fingerprint == one(write, REACHING.replace(old, new)).fingerprint


def test_a_fingerprint_does_not_know_where_its_folder_stands(write: Write) -> None:
    here = one(write, REACHING, project="here").fingerprint

    assert one(write, REACHING, project="some where/else").fingerprint == here


def test_a_fingerprint_is_the_same_in_every_process(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sets and identities have another order under another hash seed."""
    here = one(write, REACHING).fingerprint
    module, _, name = REGISTRY["lf_source"]["folder"].partition(":")
    ask = (
        f"from pathlib import Path; from {module} import {name}; at = Path({str(tmp_path)!r});"
        f"print({name}(at / 'project', at / 'project/lfs').discover()[0].fingerprint)"
    )
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))

    there = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert there.stdout.strip() == here


def test_a_helper_in_a_sibling_file_is_reached(write: Write) -> None:
    user = SNORKEL + "import words\n@labeling_function()\ndef goal(x):\n    return words.TABLE[0]\n"
    files = {"a.py": user, "words.py": "TABLE = [3]\nOTHER = 1\n"}
    before = write(files).discover()[0]

    unreached = write({**files, "words.py": "TABLE = [3]\nOTHER = 2\n"}).discover()[0]
    reached = write({**files, "words.py": "TABLE = [2]\nOTHER = 2\n"}).discover()[0]

    assert before.safe
    assert before.fingerprint == unreached.fingerprint != reached.fingerprint


INSIDE = [
    "from words import TABLE\n    return TABLE[0]",
    "from .words import TABLE\n    return TABLE[0]",
    "import words\n    return words.TABLE[0]",
    "import words as w\n    return w.TABLE[0]",
    "import more\n    return more.words.TABLE[0]",
]


@pytest.mark.parametrize("body", INSIDE)
def test_an_import_inside_a_function_finds_and_reaches_a_sibling(write: Write, body: str) -> None:
    user = SNORKEL + f"@labeling_function()\ndef goal(x):\n    {body}\n"
    files = {"a.py": user, "words.py": "TABLE, U = [3], 1\n", "more.py": "import words\n"}
    before = write(files).discover()[0]

    unreached = write({**files, "words.py": "TABLE, U = [3], 2\n"}).discover()[0]
    reached = write({**files, "words.py": "TABLE, U = [2], 2\n"}).discover()[0]

    assert [vote(found.lf, "") for found in (before, unreached, reached)] == [3, 3, 2]
    assert before.safe
    assert before.fingerprint == unreached.fingerprint != reached.fingerprint
    assert "words" not in sys.modules


def test_an_import_inside_a_function_finds_what_nothing_else_imports(write: Write) -> None:
    """A file that begins with an underscore, and a folder's: the second is always run again."""
    text = SNORKEL + (
        "@labeling_function()\ndef goal(x):\n    from _words import A\n    return A\n"
        "@labeling_function()\ndef kick(x):\n    from lists.words import B\n    return B\n"
    )
    source = write({"a.py": text, "_words.py": "A = 1\n", "lists/words.py": "B = 2\n"})

    goal, kick = source.discover()

    assert [vote(goal.lf, ""), vote(kick.lf, "")] == [1, 2]
    assert goal.safe
    assert not {"_words", "lists", "lists.words"} & set(sys.modules)


def test_imports_inside_functions_of_two_projects_do_not_meet(write: Write) -> None:
    user = SNORKEL + "@labeling_function()\ndef goal(x):\n    from words import A\n    return A\n"
    one_, two = (
        write({"a.py": user, "words.py": f"A = {n}\n"}, project=f"p{n}").discover()[0]
        for n in (1, 2)
    )

    assert [vote(found.lf, "") for found in (one_, two, one_)] == [1, 2, 1]


def test_an_import_inside_a_function_of_what_is_not_there_is_the_functions_error(
    write: Write,
) -> None:
    text = SNORKEL + "@labeling_function()\ndef goal(x):\n    import wrods\n    return 1\n"

    found = one(write, text)

    with pytest.raises(ModuleNotFoundError, match="wrods"):
        vote(found.lf, "")
    assert not found.safe


FACTORY = SNORKEL + (
    "from snorkel.labeling import LabelingFunction\n"
    "def make(word, label):\n"
    "    return LabelingFunction(f'kw_{word}', lambda x: label if word in x.text else -1)\n"
    "LFS = [make('goal', 3), make('profit', 0)]\n"
    "a, b = LabelingFunction('a', lambda x: 0), LabelingFunction('b', lambda x: 1)\n"
)


def test_lfs_from_a_factory_differ_by_what_they_close_over(write: Write) -> None:
    goal, profit = write({"news.py": FACTORY}).discover()[:2]
    edited = FACTORY.replace("profit', 0", "profit', 1")
    new_goal, new_profit = write({"news.py": edited}).discover()[:2]

    assert goal.safe
    assert goal.fingerprint == new_goal.fingerprint
    assert profit.fingerprint != new_profit.fingerprint


def test_two_lambdas_on_one_line_are_told_apart(write: Write) -> None:
    a, b = write({"news.py": FACTORY}).discover()[2:]
    edited = FACTORY.replace("'b', lambda x: 1", "'b', lambda x: 2")
    new_a, new_b = write({"news.py": edited}).discover()[2:]

    assert a.fingerprint == new_a.fingerprint
    assert b.fingerprint != new_b.fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["goal"]', '["goals"]'),
        ("3)", "2)"),
        ('keywords("news", ["goal"]', 'regex("news", "goal"'),
        ('"news"', '"newer"'),
    ],
)
def test_a_declarative_lf_is_its_spec(write: Write, old: str, new: str) -> None:
    text = DECLARED + 'lf = keywords("news", ["goal"], 3)\n'

    before, after = one(write, text), one(write, text.replace(old, new))
    commented = one(write, text + "# a comment\n")

    assert (before.safe, after.safe) == (True, True)
    assert before.fingerprint == commented.fingerprint != after.fingerprint


UNSAFE = [
    "open('words.txt').read()",
    "random.random() > 0.5",
    "MODEL.predict(x.text)",
    "PATH.read_text()",
    "time() > 5",
    "eval(x.text)",
    "__file__",
    "datetime.now().year > 2020",
    "now().year > 2020",
    "dates.date.today().year > 2020",
    "numpy.random.rand() > 0.5",
    "len(numpy.loadtxt('words.txt'))",
    "len(polars.read_csv('words.csv'))",
    "len(read_csv('words.csv'))",
    "hash(x.text) % 2",
    "late()",
    "sys.argv",
]
COVERED = [
    "numpy.isfinite(3)",
    "dates.date(2020, 1, 1) < dates.date(2021, 1, 1)",
    "polars.Series([x.text]).str.contains('a').any()",
    "x.today or x.text.load",
    "numpy.array([1, 2]).sum()",
]
REACHES = SNORKEL + (
    "import datetime as dates, random, sys, threading\nimport numpy, polars\n"
    "from datetime import datetime\n"
    "from pandas import read_csv\nfrom pathlib import Path\nfrom time import time\n"
    "MODEL, PATH, now = threading.Lock(), Path(__file__), datetime.now\n"
    "def late():\n    from datetime import date\n    return date.today().year > 2020\n"
    "@labeling_function()\ndef goal(x):\n    return 3 if {condition} else -1\n"
)


@pytest.mark.parametrize("condition", UNSAFE)
def test_what_no_fingerprint_covers_is_marked_and_still_deterministic(
    write: Write, condition: str
) -> None:
    text = REACHES.replace("{condition}", condition)

    here, there = one(write, text), one(write, text, project="moved")

    assert (here.safe, there.safe) == (False, False)
    assert here.fingerprint == there.fingerprint


@pytest.mark.parametrize("condition", COVERED)
def test_a_library_that_answers_by_its_arguments_is_covered(write: Write, condition: str) -> None:
    """Else too much would be rerun."""
    assert one(write, REACHES.replace("{condition}", condition)).safe


PIECES = [
    "getattr(words, 'TABLE')[0]",
    "vars(words)['TABLE'][0]",
    "words.__dict__['TABLE'][0]",
    "operator.attrgetter('TABLE')(words)[0]",
    "getattr(more.words, 'TABLE')[0]",
    "importlib.import_module('words').TABLE[0]",
]


@pytest.mark.parametrize("taken", PIECES)
def test_a_sibling_taken_in_one_piece_is_marked(write: Write, taken: str) -> None:
    """What is asked of it does not stand in the function's text as a name."""
    user = SNORKEL + (
        "import importlib, operator\nimport more, words\n"
        f"@labeling_function()\ndef goal(x):\n    return {taken}\n"
    )

    found = write({"a.py": user, "more.py": "import words\n", "words.py": "TABLE = [3]\n"})

    assert not found.discover()[0].safe


def test_a_sibling_imported_inside_and_taken_in_one_piece_is_marked(write: Write) -> None:
    body = "    import words as w\n    return getattr(w, 'TABLE')[0]\n"
    user = SNORKEL + f"@labeling_function()\ndef goal(x):\n{body}"

    assert not write({"a.py": user, "words.py": "TABLE = [3]\n"}).discover()[0].safe


def test_a_sibling_of_a_sibling_is_read_by_the_part_that_is_named(write: Write) -> None:
    user = SNORKEL + "import more\n@labeling_function()\ndef goal(x):\n    return more.words.T[0]\n"
    files = {"a.py": user, "more.py": "import words\n", "words.py": "T, U = [3], 1\n"}
    before = write(files).discover()[0]

    unreached = write({**files, "words.py": "T, U = [3], 2\n"}).discover()[0]
    reached = write({**files, "words.py": "T, U = [2], 2\n"}).discover()[0]

    assert before.safe
    assert before.fingerprint == unreached.fingerprint != reached.fingerprint


CHANGING = {
    "a global number": "global N\n    N += 1\n    return N % 2",
    "a global set": "SEEN.add(x.text)\n    return 1 if len(SEEN) > 3 else -1",
    "a global dict": "COUNTS[x.text] = 1\n    return len(COUNTS) % 2",
    "deep inside": "DEEP['a'][0].append(x.text)\n    return len(DEEP['a'][0]) % 2",
    "by a helper": "return remember(x.text)",
    "a default": "return kept(x.text)",
    "an instance": "return COUNTER.next()",
    "a resource": "words.append(x.text)\n    return len(words) % 2",
    "a closure": "return counted()",
}
UNCHANGING = {
    "the row itself": "x.length = len(x.text)\n    return 1 if x.length > 3 else -1",
    "its own list": "mine = []\n    mine.append(x.text)\n    mine[0] = 'a'\n    return len(mine)",
    "a nested function's": "def f(a):\n        a.sort()\n        return a\n    return len(f([1]))",
    "a function named so": "return operator.add(1, 0)",
    "an instance made here": "return Counter().next()",
}
STATE = SNORKEL + (
    "import operator\n"
    "N, SEEN, COUNTS, DEEP = 0, set(), {}, {'a': [[]]}\n"
    "def remember(text):\n    SEEN.add(text)\n    return len(SEEN) % 2\n"
    "def kept(text, seen=[]):\n    seen.append(text)\n    return len(seen) % 2\n"
    "class Counter:\n    def __init__(self):\n        self.n = 0\n"
    "    def next(self):\n        self.n += 1\n        return self.n % 2\n"
    "COUNTER = Counter()\n"
    "def counter():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n"
    "        return n % 2\n    return up\n"
    "counted = counter()\n"
    "@labeling_function(resources={'words': []})\ndef goal(x, words):\n    "
)


@pytest.mark.parametrize("body", CHANGING.values(), ids=CHANGING)
def test_state_that_a_call_changes_is_marked(write: Write, body: str) -> None:
    """Such an LF votes differently the second time."""
    assert not one(write, STATE + body + "\n").safe


@pytest.mark.parametrize("body", UNCHANGING.values(), ids=UNCHANGING)
def test_what_does_not_outlive_a_call_is_not_state(write: Write, body: str) -> None:
    """Else too much would be rerun."""
    assert one(write, STATE + body + "\n").safe


def test_python_inside_an_expression_is_marked(write: Write) -> None:
    text = (
        "import polars as pl\n"
        + DECLARED
        + (
            'lf = expression("long", pl.col("text").map_elements(lambda t: len(t) > LIMIT,'
            " return_dtype=pl.Boolean), 1)\nLIMIT = 3\n"
        )
    )

    here, there = one(write, text), one(write, text, project="moved")

    assert not here.safe
    assert here.fingerprint == there.fingerprint
    assert here.fingerprint != one(write, text.replace("= 3", "= 4")).fingerprint


@pytest.mark.parametrize(
    "value",
    [
        "(1, 2.5, 'x', b'y', None, True)",
        "frozenset({('a', 1), ('b', 2)})",
        "collections.Counter('aab')",
        "collections.defaultdict(list, a=[1])",
        "numpy.arange(3)",
        "numpy.log1p",
        "math.sqrt",
        "str.lower",
        "operator.itemgetter(1)",
        "functools.partial(int, base=2)",
        "functools.lru_cache(lambda x: x)",
        "Colour.RED",
        "Point(1, 2)",
        "Named(1)",
        "datetime.date(2026, 1, 1)",
        "Point",
        "{'again': [1]}.get",
    ],
)
def test_values_that_people_keep_beside_lfs_are_covered(write: Write, value: str) -> None:
    text = SNORKEL + (
        "import collections, datetime, enum, functools, math, numpy, operator, typing\n"
        "from dataclasses import dataclass\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
        "@dataclass(frozen=True)\nclass Point:\n    x: int\n    y: int = 0\n"
        "class Named(typing.NamedTuple):\n    z: int\n"
        f"VALUE = {value}\n"
        "@labeling_function()\ndef goal(x):\n    return 3 if VALUE else -1\n"
    )

    found = one(write, text)

    assert found.safe
    assert found.fingerprint != one(write, text.replace(f"= {value}\n", "= 0\n")).fingerprint


def test_a_list_that_holds_itself_is_read_to_its_end(write: Write) -> None:
    text = (
        SNORKEL + "W = ['a']\nW.append(W)\n@labeling_function()\ndef goal(x):\n    return len(W)\n"
    )

    assert one(write, text).safe


# On several processes

MIXED = (
    DECLARED
    + SNORKEL
    + (
        "kick = keywords('kick', ['kick'], 1)\n"
        "@labeling_function()\n"
        "def long(x):\n"
        "    if x.text == 'boom':\n"
        "        raise ValueError(x.text)\n"
        "    return 1 if len(x.text) > 4 else -1\n"
        "@labeling_function()\n"
        "def ends(x):\n"
        "    import os\n"
        "    print('seen')\n"
        "    if x.text == 'die':\n"
        "        os._exit(9)\n"
        "    return 7 if x.text == 'seven' else 0\n"
    )
)


def frames(texts: list[str], size: int = 3) -> list[pl.DataFrame]:
    whole = pl.DataFrame({"id": range(len(texts)), "text": texts})
    return list(whole.iter_slices(size))


def test_workers_find_siblings_imported_inside_functions(write: Write) -> None:
    user = SNORKEL + "@labeling_function()\ndef goal(x):\n    from _w import A\n    return A\n"
    source = write({"a.py": user, "_w.py": "A = 1\n"})

    (there,) = source.applied(frames(["a", "b"])[:1], jobs=1)

    assert there.votes.tolist() == [[1], [1]]


@pytest.mark.parametrize("jobs", [1, 3])
def test_workers_say_in_order_what_this_process_says(write: Write, jobs: int) -> None:
    source = write({"a.py": MIXED})
    batches = frames([f"kick {i}" if i % 3 else "boom" for i in range(22)])

    there = source.applied(batches, jobs=jobs)

    here = [apply(b, [f.lf for f in source.discover()], key="id", cardinality=2) for b in batches]
    assert [one.votes.tolist() for one in there] == [one.votes.tolist() for one in here]
    assert [one.fault_counts for one in there] == [one.fault_counts for one in here]
    assert [one.faults for one in there] == [one.faults for one in here]


def test_a_process_that_dies_is_an_error(write: Write) -> None:
    with pytest.raises(LabelingFunctionError, match="ended with 9"):
        write({"a.py": MIXED}).applied(frames(["kick"] * 9 + ["die"]), jobs=2)


def test_an_lf_that_breaks_faith_on_a_worker_is_named(write: Write) -> None:
    with pytest.raises(LabelingFunctionError, match="'ends' returned 7") as caught:
        write({"a.py": MIXED}).applied(frames(["kick", "seven"]), jobs=2)

    assert (caught.value.lf, caught.value.key) == ("ends", 1)


def test_an_lf_edited_before_workers_start_is_refused(write: Write) -> None:
    source = write({"a.py": MIXED})
    found = source.source.discover()
    write({"a.py": MIXED.replace("> 4", "> 5")})

    with pytest.raises(LabelingFunctionError, match="'long' changed"):
        source.applied(frames(["kick"]), jobs=1, found=found)


def test_what_was_discovered_is_what_is_applied(write: Write) -> None:
    """An edit while a run is under way waits for the next run."""
    source = write({"a.py": MIXED})

    with source.source.workers() as workers:
        found = workers.lfs
        write({"a.py": MIXED.replace("> 4", "> 0")})
        (there,) = workers.apply([(frames(["boo"])[0], found)], key="id", cardinality=2)

    assert there.votes.tolist() == [[-1, -1, 0]]


def test_ending_the_iteration_ends_the_processes(write: Write) -> None:
    before = set(children())
    with write({"a.py": MIXED}).source.workers(2) as workers:
        work = ((b, workers.lfs) for b in frames(["kick"] * 60))
        next(workers.apply(work, key="id", cardinality=2))
        assert len(set(children()) - before) == 2

    assert set(children()) == before


def test_lfs_that_are_plain_need_no_process_once_they_are_known(write: Write) -> None:
    before = set(children())
    plain = DECLARED + "k, r = keywords('k', ['a'], 1), regex('r', 'b', 0)\n"

    with write({"a.py": plain}).source.workers(2) as workers:
        found = workers.lfs
        assert set(children()) == before
        (there,) = workers.apply([(frames(["a b"])[0], found)], key="id", cardinality=2)

    assert there.votes.tolist() == [[1, 0]]


def children() -> list[str]:
    """Processes that this one has started and that still run."""
    task = Path("/proc/self/task")
    if not task.is_dir():
        pytest.skip("only where /proc lists processes")
    found: list[str] = []
    for thread in task.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found += (thread / "children").read_text().split()
    return found


# Models

FITTED = """
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from datahub import model
TEXTS = ["free prize", "win a prize", "dinner at home", "see you at home"]
made = make_pipeline(TfidfVectorizer(), CLASSIFIER).fit(TEXTS, [1, 1, 0, 0])
lf = model("spam", made, threshold=THRESHOLD)
"""


def fitted(classifier: str, threshold: str = "0.6") -> str:
    return FITTED.replace("CLASSIFIER", classifier).replace("THRESHOLD", threshold)


@pytest.mark.parametrize(
    "classifier",
    [
        "LogisticRegression(C=100)",
        "RandomForestClassifier(n_estimators=5, random_state=3)",
        "GridSearchCV(LogisticRegression(), {'C': [1, 100]}, cv=2)",  # it notes how long it took
    ],
)
def test_a_fitted_model_is_known_by_its_parameters_and_arrays(
    write: Write, classifier: str
) -> None:
    first = one(write, fitted(classifier))
    again = one(write, "# moved\n" + fitted(classifier), project="elsewhere")
    other = one(write, fitted(classifier).replace("win a prize", "win the prize"), project="b")
    stricter = one(write, fitted(classifier, "0.7"), project="c")

    assert (first.kind, first.safe) == ("model", True)
    assert again.fingerprint == first.fingerprint
    assert len({lf.fingerprint for lf in (first, other, stricter)}) == 3


def test_a_model_that_cannot_be_read_is_never_safe(write: Write) -> None:
    text = fitted("LogisticRegression(C=100)") + (
        "import numpy as np\nmade.state = np.random.default_rng(1)\n"
    )

    assert not one(write, text).safe


def test_a_class_of_the_folder_may_be_the_model(write: Write) -> None:
    text = (
        "from datahub import model\n"
        "class Short:\n"
        "    classes_ = [0, 1]\n"
        "    def __init__(self, most): self.most = most\n"
        "    def predict_proba(self, texts):\n"
        "        return [[len(t) > self.most, len(t) <= self.most] for t in texts]\n"
        "lf = model('short', Short(9))\n"
    )

    first, other = one(write, text), one(write, text.replace("9", "2"), project="b")

    assert first.safe
    assert first.fingerprint != other.fingerprint
    assert (vote(first.lf, "hello"), vote(other.lf, "hello")) == (1, 0)


def test_a_model_votes_on_workers_as_it_does_here(write: Write) -> None:
    source = write({"a.py": fitted("LogisticRegression(C=100)")})
    frame = pl.DataFrame({"id": [1, 2, 3], "text": ["a prize", "at home", None]})

    (there,) = source.applied([frame], jobs=2)

    lfs = source.source.load().lfs
    assert there.votes.tolist() == [[1], [0], [-1]]
    assert there.votes.tolist() == apply(frame, lfs, key="id", cardinality=2).votes.tolist()


def test_a_fit_that_differs_each_time_is_told_on_workers_and_not_mixed(write: Write) -> None:
    source = write({"a.py": fitted("RandomForestClassifier(n_estimators=5)")})
    frame = pl.DataFrame({"id": [1], "text": ["a prize"]})

    with pytest.raises(LabelingFunctionError, match="changed from one process") as error:
        source.applied([frame] * 20, jobs=2)

    assert "random_state" in error.value.hint
