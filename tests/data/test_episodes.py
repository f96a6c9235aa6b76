"""Episodes to transitions: rows, units, parts of whole episodes, files of one's own, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gibbsian as gb
from gibbsian.core.errors import DataError, GibbsianError, UsageError
from gibbsian.data.load import load

RNG = np.random.default_rng(0)
WALKS = [RNG.normal(size=(t, 2)).cumsum(0) for t in (9, 12, 7, 15, 11, 8)]
SMOOTH = [walk.cumsum(0) for walk in WALKS]
ACTS = [RNG.normal(size=(len(w), 3)) for w in WALKS]


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("actions", [None, ACTS, [a[:-1] for a in ACTS]])
def test_rows_go_back_to_the_paths_they_came_from(memory, actions) -> None:
    data = gb.transitions(WALKS, actions, memory=memory, split="all")
    made = data.transitions
    assert data.cond.shape == (len(data), made.width) and len(data) == made.count
    for row in (0, 5, len(data) - 1):
        i, t = made.place(row)
        state, following = (torch.tensor(WALKS[i][k], dtype=torch.float32) for k in (t, t + 1))
        torch.testing.assert_close(made.following(state, data.x[row]), following, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(made.state.in_units(data.cond[row, :2]), state, rtol=1e-4, atol=1e-4)
        if memory:
            before = torch.tensor(WALKS[i][t - 1], dtype=torch.float32)
            last = made.step.in_units(data.cond[row, 2:4])
            torch.testing.assert_close(last, state - before, rtol=1e-4, atol=1e-4)
        if actions is not None:
            done = torch.tensor(actions[i][t], dtype=torch.float32)
            torch.testing.assert_close(made.action.in_units(data.cond[row, -3:]), done, rtol=1e-4, atol=1e-4)


def test_parts_are_whole_episodes_in_the_units_of_training() -> None:
    train, test = gb.transitions(WALKS), gb.transitions(WALKS, split="test")
    assert len(train.transitions.states) == 5 and len(test.transitions.states) == 1
    together = {p.numpy().tobytes() for d in (train, test) for p in d.transitions.states}
    assert len(together) == 6
    torch.testing.assert_close(train.x.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.x.std(0, unbiased=False), torch.ones(2), atol=1e-5, rtol=0)
    assert torch.equal(train.transitions.step.scale, test.transitions.step.scale)
    assert torch.equal(train.transitions.high, torch.cat(train.transitions.states).amax(0))
    assert any("1 of 6 episodes" in note for note in test.notes)


@pytest.mark.parametrize(("paths", "memory"), [(WALKS, False), (SMOOTH, True), (SMOOTH[:2], True)])
def test_the_last_step_joins_where_steps_follow_one_another(paths, memory) -> None:
    data = gb.transitions(paths, split="all")
    assert data.transitions.memory is memory
    assert any("follow one another" in note for note in data.notes) is memory


@pytest.mark.parametrize("rows", [1, 24, 25])
def test_validation_is_of_whole_episodes(rows) -> None:
    train = load("pointmass:two_way", "train", validation=rows)
    held = load("pointmass:two_way", "validation", validation=rows)
    assert len(held) == (25 if rows <= 25 else 50) and len(train) + len(held) == 50_000
    assert torch.equal(held.x, held.transitions.rows()[0]) and torch.equal(
        train.x, train.transitions.rows()[0]
    )


def test_windows_have_their_steps_to_come() -> None:
    made = gb.transitions(WALKS, split="all", memory=True).transitions
    assert all(t >= 1 and t + 8 < len(WALKS[i]) for i, t in made.windows(8))
    assert len(made.windows(8)) == sum(max(0, len(w) - 9) for w in WALKS)
    with pytest.raises(UsageError, match="longest held-out episode has 13 steps"):
        made.windows(20)


def padded():
    x = np.zeros((len(WALKS), 15, 2))
    for i, walk in enumerate(WALKS):
        x[i, : len(walk)] = walk
    return x


LENGTHS = np.array([len(w) for w in WALKS])
NUMBERS = np.repeat(np.arange(6), LENGTHS)
ENDS = np.zeros(len(NUMBERS), bool)
ENDS[LENGTHS.cumsum() - 1] = True
ROWS = np.concatenate(WALKS)


@pytest.mark.parametrize(
    "arrays",
    [
        {"observations": padded(), "lengths": LENGTHS},
        {"states": ROWS, "episode": NUMBERS},
        {"observations": ROWS, "terminals": ENDS, "timeouts": np.zeros(len(ROWS))},
        {"obs": ROWS, "actions": np.concatenate(ACTS), "dones": ENDS[:, None]},
    ],
)
def test_files_of_arrays_hold_the_same_episodes(arrays, tmp_path) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    data = load(f"states:{tmp_path}/mine.npz", "all")
    found = data.transitions
    assert [len(p) for p in found.states] == LENGTHS.tolist() and found.action is None
    assert np.allclose(found.states[3], WALKS[3], atol=1e-5)
    given = load(f"episodes:{tmp_path}/mine.npz", "all").transitions
    assert (given.action is not None) is ("actions" in arrays)
    assert load(str(data.recipe), "all").fingerprint == data.fingerprint


@pytest.mark.parametrize("label", ["episode", "trial", "kind"])
def test_a_table_with_a_column_of_episodes(label, tmp_path) -> None:
    lines = [f"{label},t,px,py,action"]
    for i, walk in enumerate(WALKS):
        lines += [f"{'abcdef'[i]},{t},{x},{y},{t % 2}" for t, (x, y) in enumerate(walk)]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    more = "@label_column=kind" if label == "kind" else ""
    data = load(f"episodes:{tmp_path}/mine.csv{more}", "all")
    assert [len(p) for p in data.transitions.states] == LENGTHS.tolist()
    assert data.transitions.action.shift.shape == (1,) and any("'t' is left out" in n for n in data.notes)


BAD = {
    "too short": (lambda: gb.transitions([WALKS[0], WALKS[1][:1]]), "T at least 2"),
    "short for memory": (lambda: gb.transitions([WALKS[0], WALKS[1][:2]], memory=True), "at least 3"),
    "unlike": (lambda: gb.transitions([WALKS[0], WALKS[1][:, :1]]), "has 1 columns, the first has 2"),
    "not finite": (lambda: gb.transitions([WALKS[0], WALKS[1] * np.nan]), "not finite"),
    "words": (lambda: gb.transitions([WALKS[0], np.array([["a"], ["b"]])]), "no array of numbers"),
    "none": (lambda: gb.transitions([]), "there are none"),
    "one": (lambda: gb.transitions(WALKS[:1]), "split='all'"),
    "actions": (lambda: gb.transitions(WALKS, ACTS[::-1]), "one a state"),
    "part": (lambda: gb.transitions(WALKS, split="tset"), "split 'tset'"),
    "mass": (lambda: load("pointmass:threeway"), "point mass"),
    "file": (lambda: load("episodes:nowhere.npz"), "there is no file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_episodes_are_one_line(name) -> None:
    make, words = BAD[name]
    with pytest.raises(GibbsianError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"observations": ROWS}, "does not say where episodes end"),
        ({"y": ROWS}, "expected states"),
        ({"observations": padded(), "lengths": LENGTHS + 9}, "lengths do not fit"),
        ({"states": ROWS, "episode": NUMBERS[::-1] % 2}, "do not follow one another"),
        ({"states": ROWS, "episode": NUMBERS, "actions": ROWS[:-1]}, "actions .* do not fit"),
        ({"states": ROWS[:, 0], "episode": NUMBERS}, "expected numbers"),
    ],
)
def test_bad_files_are_one_line(arrays, words, tmp_path) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError, match=words):
        load(f"episodes:{tmp_path}/mine.npz")


@pytest.mark.parametrize("memory", [False, True])
def test_conditions_are_held_to_the_training_range(memory) -> None:
    train = gb.transitions(WALKS, memory=memory)
    made = train.transitions
    far = torch.full((1, made.lag, 2), 1e6)
    far[:, :-1] = 0
    assert torch.equal(made.condition(far)[0], train.cond.amax(0))
    assert torch.equal(made.condition(-far)[0], train.cond.amin(0))
