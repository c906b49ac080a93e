"""What reads nearly alike is found, whatever it is held against."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datahub.core.alike import Read, alike, words

ROWS = st.lists(st.frozensets(st.sampled_from("abcdefghij"), max_size=10), max_size=30)


@given(rows=ROWS)
def test_a_row_is_new_exactly_if_no_new_row_before_it_is_alike(rows: list[frozenset[str]]) -> None:
    """The short way finds what comparing with every row before would."""
    read, new = Read(rows), list[frozenset[str]]()

    for row in rows:
        expected = not any(alike(row, other) for other in new)
        assert read.is_new(row) == expected
        if expected:
            new.append(row)


def test_case_and_stops_do_not_matter_and_other_words_do() -> None:
    """One more word of five is still the same text; two are not."""
    text = words("Claim your free prize today")

    assert alike(text, words("claim YOUR free... prize, today!"))
    assert alike(text, words("claim your free prize today please"))
    assert not alike(text, words("claim your free prize today please sir"))
    assert alike(words("???"), words(""))


def test_a_thousand_long_texts_take_few_comparisons() -> None:
    """Words that all texts share tell nothing: only rare ones are looked up."""
    common = frozenset(f"common{i}" for i in range(80))
    rows = [common | {f"rare{n}-{i}" for i in range(40)} for n in range(1000)]

    read = Read(rows)

    assert all(read.is_new(row) for row in rows)
    assert not any(read.is_new(row - {"common1"}) for row in rows[:50])
    assert sum(map(len, read._by_word.values())) <= 1050 * 25
