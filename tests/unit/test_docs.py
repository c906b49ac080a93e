"""README, docs and changelog: lines at 100, links that lead somewhere, plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *DECISIONS,
]
WIDTH = 100
STATUS = re.compile(r"^Status: (accepted|superseded by \d{4}|rejected|proposed)\b", re.MULTILINE)
# Words that a reader of today does not expect: fix, compute, again.
OLD = re.compile(
    r"\b(mend(s|ed|ing)?|anew|reckon(s|ed|ing)?|whilst|thereby|hitherto)\b", re.IGNORECASE
)


def name(path: Path) -> str:
    """A file as people call it."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lines_have_at_most_a_hundred_characters(page: Path) -> None:
    """But for tables, and for an address that nothing can break."""
    wide = [
        f"{number}: {line}"
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > WIDTH and not line.startswith("|") and "://" not in line
    ]
    assert wide == []


def test_readme_is_short() -> None:
    """What is longer goes to a page in docs/."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize("decision", DECISIONS, ids=name)
def test_a_decision_has_a_status(decision: Path) -> None:
    """In its first lines."""
    head = "\n".join(decision.read_text(encoding="utf-8").splitlines()[:6])
    assert STATUS.search(head), head


def test_the_changelog_has_the_release() -> None:
    """With what was added, changed and fixed."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    release = text[text.index("## [0.1.0]") :]
    assert [
        line for line in release.splitlines() if line in ("### Added", "### Changed", "### Fixed")
    ] == ["### Added", "### Changed", "### Fixed"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading in it."""
    text = page.read_text(encoding="utf-8")
    broken = [
        link
        for link in re.findall(r"\]\(([^)\s]+)\)", text)
        if "://" not in link and not _leads(page, link)
    ]
    assert broken == []


def test_words_are_of_today() -> None:
    """In pages, and in messages and comments of the code."""
    sources = [
        path
        for folder in ("datahub", "bench", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
    ]
    assert list(_old_words([*PAGES, *sources])) == []


def _leads(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path) if path else page
    if not target.exists():
        return False
    return not anchor or anchor in _anchors(target)


def _anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _old_words(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if found := OLD.search(line):
                yield f"{name(path)}:{number}: {found.group()}"
