"""A gate passes labels only where the LFs that people review made them.

The LFs of the checkout, those of the merge and those that voted must agree. An LF that was edited
in the checkout without `lf run` passed, exit 0.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from datahub import Hub
from datahub.core.lf_code import CodeEdit, code_edit
from datahub.core.verdict import CheckFailure
from tests.integration.conftest import LFS, Datahub

FIRST = "labeling_functions/first.py"


def refused(ran: object) -> str:
    """What a gate said that refused."""
    assert getattr(ran, "code", None) == 1, ran
    return str(getattr(ran, "out", "")) + str(getattr(ran, "err", ""))


def edit(project: Path, old: str, new: str) -> None:
    text = (project / FIRST).read_text()
    assert old in text
    (project / FIRST).write_text(text.replace(old, new))


def test_an_lf_edited_without_a_run_is_refused_by_its_name(datahub: Datahub, labeled: Path) -> None:
    """Both commands that judge say so, and neither runs any LF."""
    edit(labeled, '"prize", "free"', '"prize", "gift"')

    judged = refused(datahub("gate", "run", "work"))
    merged = refused(datahub("merge", "work", "--into", "main"))

    for said in (judged, merged):
        assert f"LFs edited since the votes on mail: offer ({FIRST})" in said
        assert "datahub lf run" in said
        assert "shouting" not in said


def test_the_merge_alone_can_be_judged_where_the_checkout_is_of_other_work(
    datahub: Datahub, labeled: Path
) -> None:
    """--committed-lfs is for who merges one branch while they edit LFs of another."""
    edit(labeled, "< 25", "< 30")

    assert datahub("gate", "run", "work", "--committed-lfs").code == 0
    assert datahub("merge", "work", "--into", "main", "--committed-lfs").code == 0


def test_comments_and_layout_are_no_edit(datahub: Datahub, labeled: Path) -> None:
    """What says the same runs the same."""
    edit(
        labeled, "HAM, SPAM = 0, 1", "# Classes.\n\nHAM, SPAM = (\n    0,\n    1,\n)  # as imported"
    )

    assert datahub("gate", "run", "work").code == 0


def test_a_run_makes_the_votes_those_of_the_code_again(datahub: Datahub, labeled: Path) -> None:
    """Also where no vote changes: the code that is reviewed is then the code that is committed."""
    edit(labeled, "HAM, SPAM = 0, 1", "SPAM, HAM = 1, 0")
    assert "may depend on it" in refused(datahub("gate", "run", "work"))

    assert datahub("lf", "run").code == 0

    assert datahub("gate", "run", "work").code == 0  # labels are of the same votes


def write_new(folder: Path) -> None:
    (folder / "second.py").write_text('from datahub import keywords\nx = keywords("x", ["y"], 1)\n')


def write_helper(folder: Path) -> None:
    (folder / "_words.py").write_text("WORDS = ['dinner']\n")


def write_list(folder: Path) -> None:
    (folder / "words.txt").write_text("dinner\n")


def remove_file(folder: Path) -> None:
    (folder / "second.py").unlink()


@pytest.mark.parametrize(
    ("before", "change", "told"),
    [
        (lambda _: None, write_new, "second.py is new since the votes on mail"),
        (write_new, remove_file, "second.py is gone since the votes on mail, and LFs with it: x"),
        (write_helper, lambda folder: (folder / "_words.py").write_text("WORDS = []\n"), "_words"),
        (write_list, lambda folder: (folder / "words.txt").write_text("lunch\n"), "words.txt"),
    ],
)
def test_all_files_that_lfs_can_come_from_count(
    datahub: Datahub,
    labeled: Path,
    before: Callable[[Path], None],
    change: Callable[[Path], None],
    told: str,
) -> None:
    """A new file, one that is gone, a module that LFs import, a list that they read."""
    folder = labeled / "labeling_functions"
    before(folder)
    for words in (["lf", "run"], ["label", "fit"], ["gate", "run", "work"]):
        assert datahub(*words).code == 0, words

    change(folder)

    assert told in refused(datahub("gate", "run", "work"))


def test_notes_and_hidden_files_beside_lfs_do_not_count(datahub: Datahub, labeled: Path) -> None:
    """No LF is made of them."""
    folder = labeled / "labeling_functions"
    (folder / "README.md").write_text("Ours.\n")
    (folder / ".draft.py").write_text("x = 1\n")
    (folder / "_unused.py").write_text("x = 1\n")  # nothing that voted imports it

    assert datahub("gate", "run", "work").code == 0


def test_links_are_followed_within_the_project_and_not_out_of_it(
    datahub: Datahub, labeled: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A folder of shared modules counts; a file of the machine is nobody's to hash."""
    folder, shared = labeled / "labeling_functions", labeled / "shared"
    shared.mkdir()
    (shared / "words.py").write_text("WORDS = ['dinner']\n")
    (shared / "again").symlink_to(shared)
    (folder / "lib").symlink_to(shared)
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("1234")
    (folder / "out").symlink_to(secret)
    (labeled / ".env").write_text("KEY=1")
    (folder / "env.txt").symlink_to(labeled / ".env")
    for words in (["lf", "run"], ["label", "fit"], ["gate", "run", "work"]):
        assert datahub(*words).code == 0, words
    record = Hub.open(labeled).at("mail").contents.read("datasets/mail/lf_code.json")
    assert record is not None
    assert b"lib/words.py" in record
    assert not any(name in record for name in (b"out", b"env"))

    (shared / "words.py").write_text("WORDS = []\n")

    assert "lib/words.py" in refused(datahub("gate", "run", "work"))


def test_an_lf_whose_file_leads_out_of_the_project_does_not_run(
    datahub: Datahub, labeled: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its code could not be committed beside its votes."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "second.py"
    elsewhere.write_text('from datahub import keywords\nx = keywords("x", ["y"], 1)\n')
    (labeled / "labeling_functions" / "second.py").symlink_to(elsewhere)
    with (labeled / "datahub.toml").open("a") as settings:
        settings.write('\n[lf]\nsandbox = "none"\n')  # in one, nobody can read it

    ran = datahub("lf", "run")

    assert ran.code == 2
    assert "leads out of the project" in ran.err


def test_lfs_committed_apart_from_their_votes_are_refused(datahub: Datahub, labeled: Path) -> None:
    """The branch holds code that nobody ran; there the checkout has it, too, and agrees."""
    edit(labeled, '"prize", "free"', '"prize", "gift"')
    assert datahub("commit", FIRST, "-m", "Edit an LF").code == 0

    for words in (["gate", "run", "work"], ["gate", "run", "work", "--committed-lfs"]):
        assert "offer" in refused(datahub(*words))


def test_lfs_of_both_sides_of_a_merge_must_have_voted(datahub: Datahub, labeled: Path) -> None:
    """A merge can have the LFs of one branch, and the votes of another."""
    hub = Hub.open(labeled)
    write_new(labeled / "labeling_functions")
    hub.switch("other", create=True)
    assert datahub("commit", "labeling_functions/second.py", "-m", "An LF for later").code == 0
    hub.merge("other", into="main", committed_lfs=True)
    (labeled / "labeling_functions" / "second.py").unlink()
    hub.switch("third", create=True)
    edit(labeled, '"prize", "free"', '"prize", "gift"')
    assert datahub("commit", FIRST, "-m", "An edit for later").code == 0

    assert "offer" in refused(datahub("gate", "run", "third", "--committed-lfs"))


def test_a_checkout_without_lfs_holds_labels_to_those_of_the_merge(
    datahub: Datahub, labeled: Path
) -> None:
    """A clone of the data alone, or a server."""
    (labeled / FIRST).unlink()

    assert datahub("gate", "run", "work").code == 0


def test_a_dataset_that_no_lf_voted_on_has_no_code_to_agree_with(
    datahub: Datahub, guarded: Path
) -> None:
    """Its gate speaks of what is there: here, of no labels at all."""
    assert datahub("switch", "-c", "work").code == 0
    assert datahub("commit", FIRST, "-m", "LFs for later").code == 0

    ran = datahub("gate", "run", "work")

    assert ran.code == 7
    assert "lf run" in ran.err


def test_answers_alone_pass_beside_an_edited_lf_and_a_warning_says_so(
    datahub: Datahub, labeled: Path
) -> None:
    """The code is no part of such a merge."""
    assert datahub("merge", "work", "--into", "main").code == 0
    hub = Hub.open(labeled)
    hub.create_branch("answers", at="main")
    hub.switch("answers")
    hub.review_push(budget=3)
    hub.review_answer([(i, "ham") for i, _ in hub.review_open()], annotator="ann")
    hub.review_pull()
    edit(labeled, '"prize", "free"', '"prize", "gift"')

    verdict = hub.gate_run("answers")

    assert verdict.passed
    assert [failure.severity for failure in verdict.failures] == ["warning"]
    assert "offer" in verdict.failures[0].message
    assert "brings no votes" in verdict.failures[0].message


def test_votes_of_an_earlier_datahub_are_held_to_the_files_committed_with_them(
    datahub: Datahub, labeled: Path
) -> None:
    """It wrote no record of the code; the file of each LF was committed with its votes."""
    hub = Hub.open(labeled)
    without_record(hub, "work")
    assert hub.gate_run("work").passed

    edit(labeled, '"prize", "free"', '"prize", "gift"')

    assert "offer" in hub.gate_run("work").failures[0].message


def without_record(hub: Hub, branch: str) -> None:
    """The branch as an earlier datahub would have left it."""
    step, head = hub.step(), hub.store.commit_at(branch)
    hub.store.commit(
        branch,
        {"datasets/mail/lf_code.json": None},
        message="As before",
        author=step.author,
        time=step.time,
        expected=head.id,
    )


def test_code_that_changes_while_lfs_run_commits_nothing(datahub: Datahub, guarded: Path) -> None:
    """Which code voted is then not known."""
    assert datahub("switch", "-c", "work").code == 0
    with (guarded / FIRST).open("a") as file:
        file.write(
            "\nfrom pathlib import Path\n"
            "@labeling_function()\ndef writes(x):\n"
            "    file = Path(__file__)\n    file.write_text(file.read_text() + '#')\n"
            "    return ABSTAIN\n"
        )
    (guarded / "datahub.toml").open("a").write('\n[lf]\nsandbox = "none"\n')
    before = Hub.open(guarded).log("work")

    ran = datahub("lf", "run")

    assert ran.code == 2, ran
    assert "changed while LFs ran" in ran.err
    assert Hub.open(guarded).log("work") == before


@pytest.mark.parametrize(
    ("before", "now", "edited"),
    [
        ("", "", CodeEdit()),
        ("a = 1", "a = 1\n# b = 2", CodeEdit()),
        ("a = 1", "a = True", CodeEdit(shared=True)),
        ("a = 1", "a = 1.0", CodeEdit(shared=True)),
        ("import a\nimport b", "import b\nimport a", CodeEdit(shared=True)),
        ("f()", "f()\nf()", CodeEdit(shared=True)),
        ("def x(a): return 1", "def x(a): return 2", CodeEdit(("x",))),
        ("@lf()\ndef x(a): return 1", "@lf()\ndef y(a): return 1", CodeEdit(("x", "y"))),
        ("a = 1", "a = (", CodeEdit(shared=True)),
        ("a = 1", "(" * 10_000, CodeEdit(shared=True)),
        ("a = 1", "a = 1\n\0", CodeEdit(shared=True)),
    ],
)
def test_an_edit_is_told_by_what_statements_say(before: str, now: str, edited: CodeEdit) -> None:
    """Of `x`, an LF of the file; what nobody can parse is an edit."""
    assert code_edit(before.encode(), now.encode(), ["x"]) == edited


def test_the_failure_is_datahubs_own_and_names_the_dataset(datahub: Datahub, labeled: Path) -> None:
    """In reports and in `gate refusals` it stands beside those of suites."""
    edit(labeled, LFS.splitlines()[-1], "    return SPAM")
    hub = Hub.open(labeled)

    (failure,) = hub.gate_run("work").failures

    assert isinstance(failure, CheckFailure)
    assert (failure.suite, failure.expectation) == ("datahub", "labels_of_reviewed_lfs")
    assert failure.dataset == "mail"
