"""What is Snorkel's own: the same numbers as Snorkel's LabelModel gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from snorkel.labeling.model import LabelModel

from datahub.adapters.model_snorkel import SnorkelLabelModel
from datahub.core.errors import InputError
from datahub.core.labels import ABSTAIN, LabelMatrix
from datahub.core.paircounts import count


def some_votes(n: int, m: int, k: int) -> LabelMatrix:
    """Votes a little better than chance."""
    rng = np.random.default_rng(3)
    votes = np.where(
        rng.random((n, m)) < 0.5, (np.arange(n) % k)[:, None], rng.integers(k, size=(n, m))
    )
    votes[rng.random((n, m)) < 0.5] = ABSTAIN
    return votes.astype(np.int8)


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("balanced", [False, True])
def test_mu_weights_and_probabilities_are_snorkels(k: int, balanced: bool) -> None:
    """Mu and weights to the bit, probabilities within rounding."""
    votes = some_votes(300, 8, k)
    balance = (np.arange(1, k + 1) / np.arange(1, k + 1).sum()).tolist() if balanced else None
    theirs = LabelModel(cardinality=k, verbose=False)
    theirs.fit(votes.astype(int), class_balance=balance, seed=11, progress_bar=False)

    ours = SnorkelLabelModel()
    fit = ours.fit(votes, cardinality=k, seed=11, class_balance=balance)

    mu = theirs.mu.detach().numpy().reshape(8, k, k)
    np.testing.assert_array_equal(fit.arrays["mu"], mu)
    np.testing.assert_array_equal(fit.weights, theirs.get_weights())
    voted = (votes != ABSTAIN).any(axis=1)
    np.testing.assert_allclose(
        ours.predict(fit, votes)[voted], theirs.predict_proba(votes.astype(int))[voted], atol=1e-12
    )


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_wherever_snorkel_can_run_mu_is_snorkels(data: st.DataObject) -> None:
    """Any votes of LFs that all voted, any options, any seed: to the bit, or no answer in both."""
    k = data.draw(st.integers(2, 4))
    shape = (data.draw(st.integers(3, 60)), data.draw(st.integers(3, 6)))
    votes = data.draw(hnp.arrays(np.int8, shape, elements=st.integers(ABSTAIN, k - 1)))
    votes[0] = np.arange(shape[1]) % k  # an LF that never voted is another matter
    parts = data.draw(st.lists(st.integers(1, 9), min_size=k, max_size=k))
    balance = data.draw(st.sampled_from([None, [part / sum(parts) for part in parts]]))
    options: dict[str, Any] = {
        "n_epochs": data.draw(st.integers(0, 40)),
        "lr": data.draw(st.sampled_from([0.001, 0.01, 0.5])),
        "l2": data.draw(st.sampled_from([0.0, 0.1])),
        "prec_init": data.draw(st.sampled_from([0.6, 0.7, 0.9])),
        "mu_eps": data.draw(st.sampled_from([None, 0.02])),
    }
    seed = data.draw(st.integers(0, 2**32 - 1))
    theirs = LabelModel(cardinality=k, verbose=False)
    try:
        theirs.fit(
            votes.astype(int), class_balance=balance, seed=seed, progress_bar=False, **options
        )
    except Exception as error:  # noqa: BLE001 - a bare Exception is what Snorkel raises
        assert "is NaN" in str(error)  # noqa: PT017 - one of two right answers
        with pytest.raises(InputError, match="converge"):
            SnorkelLabelModel(**options).fit(votes, cardinality=k, seed=seed, class_balance=balance)
        return

    fit = SnorkelLabelModel(**options).fit(votes, cardinality=k, seed=seed, class_balance=balance)

    mu = theirs.mu.detach().numpy().reshape(shape[1], k, k)
    np.testing.assert_array_equal(fit.arrays["mu"], mu)


def test_a_training_whose_last_step_is_not_a_number_has_not_converged() -> None:
    """The loss was a number in every epoch; what the last one left is none."""
    votes = np.array([[0, 1, 0, 1], [-1, 1, 1, -1], [1, -1, 0, 0]], dtype=np.int8)
    theirs = LabelModel(cardinality=2, verbose=False)
    with pytest.raises(ValueError, match=r"^cell .* is NaN"):
        theirs.fit(votes.astype(int), seed=1, n_epochs=9, lr=0.5, progress_bar=False)

    with pytest.raises(InputError, match="did not converge"):
        SnorkelLabelModel(n_epochs=9, lr=0.5).fit(votes, cardinality=2, seed=1)


def test_counts_of_an_edited_lf_fit_as_a_full_count_does() -> None:
    """Brought up to date in place, they are the counts of the votes."""
    votes = some_votes(300, 5, 3)
    counts = count(votes, 3)
    votes[:, 2] = some_votes(300, 1, 3)[::-1, 0]
    model = SnorkelLabelModel(n_epochs=20)

    counts.update(votes, [2])

    edited = model.fit(votes, cardinality=3, seed=1, counts=counts)
    full = model.fit(votes, cardinality=3, seed=1)
    assert edited.arrays["mu"].tobytes() == full.arrays["mu"].tobytes()


def test_many_votes_on_a_row_do_not_underflow() -> None:
    """Snorkel's own formula gives 0/0 here."""
    votes = np.zeros((50, 400), dtype=np.int8)
    votes[::2] = 1
    model = SnorkelLabelModel(n_epochs=5)

    soft = model.predict(model.fit(votes, cardinality=2, seed=1), votes)

    np.testing.assert_allclose(soft.sum(axis=1), 1)


@pytest.mark.parametrize("voting", [1, 2])
def test_fewer_than_three_voting_lfs_are_refused(voting: int) -> None:
    """Agreement of two says nothing of either; silent LFs do not count."""
    votes = np.full((10, 5), ABSTAIN, dtype=np.int8)
    votes[:, :voting] = 1

    with pytest.raises(InputError, match=f"{voting} did") as caught:
        SnorkelLabelModel().fit(votes, cardinality=2, seed=1)

    assert "--model majority" in caught.value.hint


def test_a_row_with_votes_only_of_lfs_unknown_to_the_fit_is_nan() -> None:
    """Of an LF that never voted nothing is known."""
    votes = np.insert(some_votes(100, 4, 2), 4, ABSTAIN, axis=1)
    model = SnorkelLabelModel(n_epochs=10)
    fit = model.fit(votes, cardinality=2, seed=1)

    soft = model.predict(fit, np.array([[-1, -1, -1, -1, 1], [0, -1, -1, -1, 1]], dtype=np.int8))

    assert np.isnan(soft).tolist() == [[True, True], [False, False]]


def test_another_number_of_lfs_is_refused() -> None:
    """The fit is of other LFs."""
    votes = some_votes(50, 4, 2)
    model = SnorkelLabelModel(n_epochs=5)
    fit = model.fit(votes, cardinality=2, seed=1)

    with pytest.raises(InputError, match="4 LFs"):
        model.predict(fit, votes[:, :3])


def test_training_that_diverges_is_told() -> None:
    """Not a bare Exception, and not NaN for an answer."""
    with pytest.raises(InputError, match="converge"):
        SnorkelLabelModel(lr=1e9).fit(some_votes(100, 4, 2), cardinality=2, seed=1)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_numpy_cannot_take_is_refused(seed: int) -> None:
    """Before anything is learned."""
    with pytest.raises(InputError, match="seed"):
        SnorkelLabelModel().fit(some_votes(100, 4, 2), cardinality=2, seed=seed)


HEAD = """
import os, subprocess, sys
import numpy as np
from datahub.adapters import model_snorkel
from datahub.adapters.model_snorkel import SnorkelLabelModel
from datahub.core.errors import BackendError, InputError
votes = np.random.default_rng(3).integers(-1, 2, (300, 5)).astype(np.int8)
"""


def alone(code: str) -> str:
    """What this prints in a process that has not imported torch."""
    run = [sys.executable, "-c", HEAD + code]
    root = Path(__file__).parents[2]
    return subprocess.run(run, check=True, cwd=root, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.slow
def test_training_in_a_process_of_its_own_learns_the_same() -> None:
    """To the bit; and neither torch nor Snorkel come into ours."""
    code = """
fit = SnorkelLabelModel(l2=0.1).fit(votes, cardinality=2, seed=5)
assert not {"torch", "snorkel", "pandas", "sklearn"} & set(sys.modules)
print((fit.arrays["mu"].tobytes() + fit.weights.tobytes()).hex())
"""
    votes = np.random.default_rng(3).integers(-1, 2, (300, 5)).astype(np.int8)

    here = SnorkelLabelModel(l2=0.1).fit(votes, cardinality=2, seed=5)

    assert alone(code).strip() == (here.arrays["mu"].tobytes() + here.weights.tobytes()).hex()


@pytest.mark.slow
def test_training_that_diverges_in_its_own_process_is_told() -> None:
    """As it is here."""
    code = """
try:
    SnorkelLabelModel(lr=1e9).fit(votes, cardinality=2, seed=5)
except InputError as error:
    print(error)
"""
    assert "did not converge" in alone(code)


@pytest.mark.parametrize(
    ("child", "told"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed (signal 9)"),
        ("raise MemoryError('no more of it')", "MemoryError: no more of it"),
        ("import sys; sys.exit(0)", "exit status 0"),
    ],
)
def test_a_training_process_that_breaks_off_is_told(child: str, told: str, tmp_path: Path) -> None:
    """Killed, out of memory, or silent: with what to do instead."""
    (tmp_path / "child.py").write_text(child)
    code = f"""
from pathlib import Path
model_snorkel._TRAINING = Path({str(tmp_path / "child.py")!r})
try:
    SnorkelLabelModel().fit(votes, cardinality=2, seed=5)
except BackendError as error:
    print(error, error.hint)
"""
    said = alone(code)

    assert told in said
    assert "--model anchored" in said


def test_a_training_process_ends_with_its_parent() -> None:
    """Also when that was killed: nothing is left to train for nobody."""
    reading, writing = os.pipe()
    code = f"""
class Told(subprocess.Popen):
    def __init__(self, *words, **more):
        super().__init__(*words, pass_fds=[{writing}], **more)
        print("started", flush=True)
subprocess.Popen = Told
SnorkelLabelModel(n_epochs=10**9).fit(votes, cardinality=2, seed=5)
"""
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + code],
        cwd=Path(__file__).parents[2],
        pass_fds=[writing],
        stdout=subprocess.PIPE,
    ) as parent:
        os.close(writing)
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"

        parent.kill()

        assert os.read(reading, 1) == b""  # all who could write have ended
    os.close(reading)


@pytest.mark.slow
def test_the_first_fit_of_a_process_leaves_random_state_alone() -> None:
    """And neither fitting nor predicting brings torch into it."""
    code = """
np.random.seed(0)
expected = np.random.rand()
np.random.seed(0)
SnorkelLabelModel(n_epochs=1).fit(votes, cardinality=2, seed=5)
assert np.random.rand() == expected
assert "torch" not in sys.modules
"""
    alone(code)


@pytest.mark.slow
def test_where_snorkel_is_imported_first_random_state_is_left_alone_too() -> None:
    """Snorkel draws from numpy when it is imported."""
    code = """
import torch
np.random.seed(0)
expected = np.random.rand()
np.random.seed(0)
SnorkelLabelModel(n_epochs=1).fit(votes, cardinality=2, seed=5)
assert np.random.rand() == expected
"""
    alone(code)
