"""The code of LFs when they voted, and what of it is other code now. Pure: no file is imported.

lf_code.json lies beside lfs.json and names every file that LFs could come from, by SHA-256. So
that votes stay what they are when only a comment changes, it is no part of lfs.json.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256

from datahub.core.dataset import to_canonical_json
from datahub.core.errors import InputError
from datahub.core.layout import LF_FOLDER
from datahub.core.manifest import VotesManifest
from datahub.core.syntax import parse_module

CODE_FORMAT = 1


@dataclass(frozen=True)
class LFFiles:
    """Files that LFs can come from: SHA-256 by path in the project, and the text of Python ones."""

    hashes: Mapping[str, str]
    texts: Mapping[str, bytes] = field(default_factory=dict)

    def without(self, paths: Collection[str]) -> LFFiles:
        """The same but for these paths."""
        return LFFiles({p: h for p, h in self.hashes.items() if p not in paths}, self.texts)

    def changed(self, now: LFFiles) -> list[str]:
        """Paths that are gone, new or other there, sorted."""
        paths = self.hashes.keys() | now.hashes.keys()
        return sorted(path for path in paths if self.hashes.get(path) != now.hashes.get(path))


@dataclass(frozen=True)
class CodeRecord:
    """lf_code.json: the files, by SHA-256, that the LFs of `voters` stood in or could read.

    `voters` is `voters_of` the votes that it speaks of; of other votes it says nothing.
    """

    voters: str
    files: Mapping[str, str]

    def to_json(self) -> str:
        """Write as canonical JSON."""
        return to_canonical_json({"format": CODE_FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> CodeRecord:
        """Read what `to_json` wrote. Raises InputError for another format."""
        raw = json.loads(text)
        if raw.get("format") != CODE_FORMAT:
            raise InputError(
                "lf_code.json has a format version that this datahub does not know.",
                hint="Upgrade datahub, or run `datahub lf run` again.",
            )
        return cls(raw["voters"], dict(raw["files"]))


def voters_of(manifest: VotesManifest) -> str:
    """A digest of who voted: names and fingerprints, in any order."""
    pairs = sorted((lf.name, lf.fingerprint) for lf in manifest.lfs)
    return sha256(json.dumps(pairs).encode()).hexdigest()


def may_hold_lfs(path: str) -> bool:
    """Whether a new file is imported when LFs run: Python, in the folder itself, not hidden.

    >>> may_hold_lfs("labeling_functions/a.py"), may_hold_lfs("labeling_functions/_words.py")
    (True, False)
    """
    name = path.removeprefix(LF_FOLDER)
    top = path.startswith(LF_FOLDER) and "/" not in name
    return top and name.endswith(".py") and not name.startswith(("_", "."))


@dataclass(frozen=True)
class CodeEdit:
    """What differs between two texts of a file: LFs by name, and whether anything else does."""

    lfs: tuple[str, ...] = ()
    shared: bool = False

    def __bool__(self) -> bool:
        return bool(self.lfs) or self.shared


def code_edit(before: bytes, now: bytes, names: Collection[str]) -> CodeEdit:
    r"""What of a file is other code, as its statements say; comments and layout are no code.

    `names` are LFs of the file. A statement is of an LF that it defines, or names as a text;
    of any other, every LF of the file may depend on it.

    >>> code_edit(b"a = 1  # one\n", b"a = 1\n", ["a"])
    CodeEdit(lfs=(), shared=False)
    >>> code_edit(b"a = regex('goal', 'a', 1)", b"a = regex('goal', 'b', 1)", ["goal"])
    CodeEdit(lfs=('goal',), shared=False)
    """
    try:
        old, new = _statements(before), _statements(now)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return CodeEdit(shared=True)
    if [text for text, _ in old] == [text for text, _ in new]:
        return CodeEdit()
    texts = {text for text, _ in old}, {text for text, _ in new}
    nodes = [node for text, node in old if text not in texts[1]]
    nodes += [node for text, node in new if text not in texts[0]]
    lfs: set[str] = set()
    is_shared = not nodes  # the same statements in another order, or another number of times
    for node in nodes:
        own = set(_names(node)) & set(names)
        own = own or _new_lf(node)
        lfs |= own
        is_shared = is_shared or not own
    return CodeEdit(tuple(sorted(lfs)), is_shared)


def _statements(text: bytes) -> list[tuple[str, ast.stmt]]:
    """The statements of a file with what each says, without where it stands."""
    return [(ast.dump(node), node) for node in parse_module(text).body]


def _names(node: ast.stmt) -> Iterator[str]:
    """What a statement defines, and what it says as text."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _new_lf(node: ast.stmt) -> set[str]:
    """The name of a decorated function: an LF that has not voted, as far as the text tells."""
    is_lf = isinstance(node, ast.FunctionDef) and bool(node.decorator_list)
    return {node.name} if is_lf and isinstance(node, ast.FunctionDef) else set()
