"""The fingerprint of every tiny run, to compare two versions of the library bit for bit.

    python tests/golden/fingerprint.py --out NEW.json [--cases contract/igebm 'resume/*']
    python tests/golden/fingerprint.py --compare OLD.json NEW.json [--allow 'PATTERN=reason' ...]

Three updates of every case in `tests/cases.py` on one thread (six of runs that are resumed), then: the
metrics of each update, a hash of every tensor of the state (a multiset, for names may change), samples
by every sampler, -log p and chains from data, the measures of the system, and all again from a model
folder and from a run folder that are written and read. Apart from these, every resolved preset.

`--compare` prints each difference in one line and exits with 1 if there is one that no `--allow` names. An
allowance is a pattern of the shell for the path of a value, which ends in `/gone` or `/new` where only one
side has the value, and a reason:

    'case/*/short_run*/*/neg_log_prob/*=is divided by T now'
    'case/*/reloaded/state*/gone=a model folder holds nothing of training'
    'preset/*/noise.law/gone=renamed'

All that touches the library is in one adapter, `Library`. Equal bits need one machine and one torch, so
record an old version anew where needed, with both files as they were then, for they bear the names of their
day. The library of systems, before models and learners were told apart:

    git worktree add /tmp/old 4dd6338
    git -C /tmp/old checkout $(git log --diff-filter=A --format=%h -- tests/cases.py) -- \
        tests/cases.py tests/golden/fingerprint.py
    cd /tmp/old && PYTHONPATH=src python tests/golden/fingerprint.py --out /tmp/before.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
import cases  # noqa: E402

N, SEED, CHUNK, DATA_ROWS, DATA_STEPS = 5, 3, 2, 6, 3
UPDATES = {"contract": 3, "faults": 3, "resume": 6}  # some of the last enter a second stage after 4
LATENT_KERNELS = ("langevin", "kinetic", "mala", "hmc", "independent", "importance", "rejection", "none")


def all_cases() -> dict[str, cases.Case]:
    """Every case by the kind of its test and its name."""
    return {
        **{f"contract/{name}": case for name, case in cases.CASES.items()},
        **{f"resume/{name}": cases.resumed(name) for name in cases.RESUME},
        **{f"faults/{name}": case for name, case in cases.FAULTS.items()},
    }


class Library:
    """What a fingerprint asks of the library. `self.model` is what was trained or loaded."""

    def __init__(self, case: cases.Case, out: Path | None = None) -> None:
        """A prepared run of a case, as the fixture `tiny_run` makes it, with a run folder at `out`."""
        self.name, self.data_name, self.changes = case
        self.out, self.keeps_chains = out, out is not None
        self.trainer: Any = None
        self.model: Any = None
        if out is not None:
            self.make_run()

    def make_run(self) -> None:
        """The trainer and its model."""
        from gibbsian.core.config import override
        from gibbsian.models.papers import entry
        from gibbsian.train.fit import prepare
        from gibbsian.train.recipes import RunConfig
        from gibbsian.train.settings import MonitorConfig, TrainConfig

        parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "monitor": {}}
        for dotted, value in self.changes.items():
            head, _, rest = dotted.partition(".")
            section, key = (head, rest) if head in ("train", "monitor") else ("model", dotted)
            parts[section][key] = value
        config = RunConfig(
            self.name,
            "",
            self.data_name,
            override(entry(self.name).config_class()(), parts["model"]),
            override(TrainConfig(**cases.TINY), parts["train"]),
            override(MonitorConfig(), parts["monitor"]),
        )
        self.trainer = prepare(config, self.data, out=self.out).trainer
        self.learner = self.trainer.learner
        self.model = self.learner.model

    @property
    def data(self) -> Any:
        """The rows that the tests see."""
        from gibbsian.data.load import load

        return load(self.data_name).take(cases.ROWS)

    def rows(self) -> Tensor:
        """Data in [0, 1] that energies and chains are asked about."""
        x: Tensor = self.data.batch(torch.arange(DATA_ROWS), 0.0, 1.0).x
        return x

    def update(self) -> dict[str, float]:
        """The metrics of one update, and its learning rate."""
        self.trainer.update()
        metrics: dict[str, float] = self.trainer.metrics
        return metrics

    def state_tensors(self) -> dict[str, list[Tensor]]:
        """Tensors of a run's state by their kind; of a loaded model, its own."""
        if self.trainer is None:
            held = self.learner if self.keeps_chains else self.model
            return {"model": leaves(held.state_dict())}
        tree = self.trainer.state_dict()
        return {k: leaves(tree[k]) for k in ("model", "average", "optimizer", "streams", "batches")}

    def classes(self) -> int:
        """Number of classes that the model knows, 0 for none."""
        found: int = self.model.spec.num_classes
        return found

    def settings(self) -> dict[str, Any]:
        """What a model says of itself."""
        density = bool(self.model.claims_density)
        return {"temperature": float(self.model.temperature).hex(), "density": density}

    def samplers(self) -> list[str]:
        """Names of the ways to sample: "default", "buffer" where stored chains go on, others by their own."""
        stored = ["buffer"] if self.keeps_chains and "buffer" in self.learner.samplers() else []
        return ["default", *sorted(set(self.model.samplers) - {"default"}), *stored]

    def draw(self, sampler: str, y: Tensor | None) -> dict[str, Any]:
        """Samples by the chain's own path, where labels are drawn by the sampler."""
        from gibbsian.core.random import Streams
        from gibbsian.models.samples import draw_samples

        chosen = self.learner.samplers()["buffer"] if sampler == "buffer" else self.model.sampler(sampler)
        return drawn(draw_samples(self.model, chosen, N, rng=Streams(SEED).eval, y=y, chunk=CHUNK))

    def draw_by_name(self, y: int | None) -> dict[str, Any]:
        """Samples by `gibbsian.sample`, which draws labels all at once."""
        import gibbsian as gb

        return drawn(gb.sample(self.model, N, y=y, seed=SEED, chunk=CHUNK))

    def neg_log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """-log p up to a constant, `(B,)`."""
        found: Tensor = self.model.neg_log_prob(x, y)
        return found

    def logits(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        from gibbsian.models.capabilities import classifier

        return classifier(self.model).logits(x)

    def from_data(self, x: Tensor, y: Tensor | None) -> dict[str, Any]:
        """A chain of a few steps begun at data, and the data that it leads to."""
        from gibbsian.mcmc.base import run
        from gibbsian.models.samples import run_stages
        from gibbsian.nets.frozen import frozen

        rng = torch.Generator().manual_seed(SEED)
        with frozen(self.model):
            begun = self.model.sampler().from_data(x, rng, y)
            chain = run(begun.kernel, begun.energy, begun.position, steps=DATA_STEPS, rng=rng)
            position = chain.position
            if begun.remaining is not None:
                position = run_stages(begun.remaining(position), rng)[-1].position
            with torch.no_grad():
                end = self.model.sampler().decode(position)
        return {"position": tensors(chain.position), "energy": tensors(chain.energy), "x": tensors(end)}

    def measures(self, x: Tensor) -> dict[str, float]:
        """Numbers of the model's own on held-out data."""
        from gibbsian.models.capabilities import Measured, offered

        measured = offered(self.model, Measured)
        rng = torch.Generator().manual_seed(SEED)
        return {} if measured is None else measured.extra_metrics(x, rng)

    def capabilities(self, x: Tensor) -> dict[str, Callable[[], Any]]:
        """What only some models offer, by name."""
        from gibbsian.models.capabilities import Adjustable, Encoder, MultiLevel, Translator, offered

        model, found = self.model, dict[str, Callable[[], Any]]()
        if (levels := offered(model, MultiLevel)) is not None:
            found["level_terms"] = lambda: tensors(levels.level_terms(x, torch.Generator().manual_seed(SEED)))
        if isinstance(model, Encoder):
            found["latents"] = lambda: tensors(model.latents(x))
        if isinstance(model, Translator):
            found["translated"] = lambda: self._by_plan(model.translation(x, steps=DATA_STEPS), len(x))
        if self.name == "drl":
            found["descent"] = lambda: self._by_plan(_from_level_one(model, x), len(x))
        if isinstance(model, Adjustable) and model.section == "latent":
            for kernel in LATENT_KERNELS:
                settings = self._latent_settings(kernel)
                found[f"latent_{kernel}"] = lambda s=settings: self._by_plan(model.sampler_with(s), N)
        return found

    @staticmethod
    def _latent_settings(kernel: str) -> Any:
        from gibbsian.mcmc.settings import LatentConfig

        return LatentConfig(kernel=kernel, steps=DATA_STEPS, candidates=4)

    def _by_plan(self, plan: Any, n: int) -> dict[str, Any]:
        from gibbsian.core.random import Streams
        from gibbsian.models.samples import draw_samples

        return drawn(draw_samples(self.model, plan, n, rng=Streams(SEED).eval))

    def evaluate_mode(self) -> None:
        """Networks as samples and measures see them."""
        self.model.eval()

    def reload(self, folder: Path) -> Library:
        """The model of a model folder that is written here."""
        import gibbsian as gb

        other = type(self)((self.name, self.data_name, self.changes))
        other.model = gb.load(self.model.save(folder, data="tiny"))
        return other

    def reload_run(self) -> Library:
        """The model of the run folder's checkpoint of now, with its averaged weights."""
        from gibbsian.train.load import load_run

        self.trainer.save()
        other = type(self)((self.name, self.data_name, self.changes))
        other.learner, other.keeps_chains = load_run(self.out), True
        other.model = other.learner.model
        return other

    @staticmethod
    def presets() -> dict[str, dict[str, Any]]:
        """Every preset by paper and name, resolved for the data that it is made for."""
        from gibbsian.models.papers import PAPERS
        from gibbsian.train.recipes import presets, resolve

        return {
            f"{paper}/{name}": resolve(paper, preset=name, data=recipe.data).to_dict()
            for paper in PAPERS
            for name, recipe in presets(paper).items()
        }


def _from_level_one(model: Any, x: Tensor) -> Any:
    from gibbsian.models.drl.model import Descent

    return Descent(model, model.sampler().config, x, 1)


def drawn(samples: Any) -> dict[str, Any]:
    """What is recorded of samples: data, labels, energies and the ends of the first chunk's chains."""
    return {
        "x": tensors(samples.x),
        "y": None if samples.y is None else samples.y.tolist(),
        "energy": tensors(samples.energy),
        "chains": [tensors(chain.position) for chain in samples.chains],
    }


def leaves(tree: Any) -> list[Tensor]:
    """The tensors of a nested state."""
    if isinstance(tree, Tensor):
        return [tree]
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ()
    return [leaf for value in values for leaf in leaves(value)]


def hashed(x: Tensor) -> str:
    """Shape, type and bytes of a tensor."""
    raw = x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    digest = hashlib.sha256(raw).hexdigest()[:20]
    return f"{list(x.shape)} {str(x.dtype).removeprefix('torch.')} {digest}"


def tensors(x: Any) -> Any:
    """A tensor's hash with its mean, which says how far apart two are; of a position, that of each part."""
    if isinstance(x, Tensor):
        return f"{hashed(x)} mean {x.detach().double().mean().item():.17g}"
    return x if x is None else [tensors(part) for part in x]


def numbers(x: Tensor) -> list[Any]:
    """Values of a tensor in hex."""
    flat = x.detach().double().flatten().tolist()
    return [value.hex() for value in flat]


def recorded(make: Callable[[], Any], *folders: Path) -> Any:
    """What `make` returns, or the class and message of its error, without the folders of this run."""
    try:
        return make()
    except Exception as error:  # an error is a result here: it is compared like any other
        message = str(error)
        for folder in folders:
            message = message.replace(str(folder), "FOLDER")
        return f"{type(error).__name__}: {message}"


def states(adapter: Library) -> dict[str, list[str]]:
    """The multiset of tensors of each kind."""
    return {kind: sorted(map(hashed, found)) for kind, found in adapter.state_tensors().items()}


def looked_at(adapter: Library) -> dict[str, Any]:
    """All that can be asked of a model after training or loading."""
    adapter.evaluate_mode()
    x, classes = adapter.rows(), adapter.classes()
    y = torch.arange(N) % classes if classes else None
    labels = torch.arange(DATA_ROWS) % classes if classes else None
    found: dict[str, Any] = {"settings": recorded(adapter.settings), "state": states(adapter), "draw": {}}
    for name in adapter.samplers():
        found["draw"][name] = {
            "plain": recorded(lambda name=name: adapter.draw(name, None)),
            "labels": recorded(lambda name=name: adapter.draw(name, y)) if classes else None,
        }
    found["sample"] = {
        "plain": recorded(lambda: adapter.draw_by_name(None)),
        "label": recorded(lambda: adapter.draw_by_name(1)),
    }
    found["neg_log_prob"] = {
        "plain": recorded(lambda: numbers(adapter.neg_log_prob(x, None))),
        "labels": recorded(lambda: numbers(adapter.neg_log_prob(x, labels))) if classes else None,
    }
    found["logits"] = recorded(lambda: tensors(adapter.logits(x)))
    found["from_data"] = {
        "plain": recorded(lambda: adapter.from_data(x, None)),
        "labels": recorded(lambda: adapter.from_data(x, labels)) if classes else None,
    }
    found["measures"] = recorded(lambda: {k: float(v).hex() for k, v in adapter.measures(x).items()})
    found["capabilities"] = {k: recorded(make) for k, make in adapter.capabilities(x).items()}
    found["state_after"] = states(adapter)
    return found


def fingerprint(case: cases.Case, count: int) -> dict[str, Any]:
    """Everything that is recorded of one case after `count` updates."""
    with tempfile.TemporaryDirectory() as made:
        run, model = Path(made) / "run", Path(made) / "model"
        adapter = Library(case, run)
        updates = [{k: float(v).hex() for k, v in adapter.update().items()} for _ in range(count)]
        found = {"updates": updates, "trained": looked_at(adapter)}
        found["reloaded"] = recorded(lambda: looked_at(adapter.reload(model)), run, model)
        found["run"] = recorded(lambda: looked_at(adapter.reload_run()), run, model)
        return found


def dotted(values: dict[str, Any], head: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    out: dict[str, Any] = {}
    for key, value in sorted(values.items()):
        out |= dotted(value, f"{head}{key}.") if isinstance(value, dict) else {f"{head}{key}": value}
    return out


def record(patterns: list[str]) -> dict[str, Any]:
    """The fingerprints of the cases that a pattern names (all without one), and the presets."""
    torch.set_num_threads(1)
    chosen = {
        name: case
        for name, case in all_cases().items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    found: dict[str, Any] = {}
    for name, case in chosen.items():
        began = time.monotonic()
        found[name] = recorded(
            lambda case=case, name=name: fingerprint(case, UPDATES[name.partition("/")[0]])
        )
        print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    presets = {name: dotted(values) for name, values in sorted(Library.presets().items())}
    return {"torch": torch.__version__, "case": found, "preset": presets}


# -- comparing -----------------------------------------------------------------------------------------


def flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Values by path; a list of hashes is one value, a multiset."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from flat(value, f"{path}/{key}" if path else str(key))
    elif isinstance(tree, list) and tree and not path.startswith("preset/") and "/state" not in path:
        for i, value in enumerate(tree):
            yield from flat(value, f"{path}/{i}")
    else:
        yield path, tree


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and description of every difference."""
    left, right = dict(flat(old)), dict(flat(new))
    for path in [*left, *(p for p in right if p not in left)]:
        if path not in right:
            yield f"{path}/gone", f"was {short(left[path])}"
        elif path not in left:
            yield f"{path}/new", f"is {short(right[path])}"
        elif "/state" in path and isinstance(left[path], list) and isinstance(right[path], list):
            one, other = Counter(left[path]), Counter(right[path])
            yield from ((f"{path}/gone", f"{k} x {n}") for k, n in (one - other).items())
            yield from ((f"{path}/new", f"{k} x {n}") for k, n in (other - one).items())
        elif left[path] != right[path]:
            yield path, f"{short(left[path])} -> {short(right[path])}"


def short(value: Any) -> str:
    """A value in one line, numbers readable."""
    if isinstance(value, str) and value.lstrip("-").startswith("0x"):
        return f"{float.fromhex(value):.9g} ({value})"
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "..."


def compare(old: dict[str, Any], new: dict[str, Any], allowed: dict[str, str]) -> int:
    """Print every difference, those that are allowed by their reason; 1 if another is left."""
    met: Counter[str] = Counter()
    left = 0
    if old["torch"] != new["torch"]:
        print(f"note: recorded with torch {old['torch']} and {new['torch']}")
    sides = [{k: side[k] for k in ("case", "preset")} for side in (old, new)]
    for path, text in differences(*sides):
        pattern = next((p for p in allowed if fnmatchcase(path, p)), None)
        if pattern is None:
            left += 1
            print(f"{path}: {text}")
        else:
            met[pattern] += 1
    for pattern, reason in allowed.items():
        print(f"allowed {met[pattern]} x {pattern}: {reason}")
    print(f"{left} differences")
    return int(left > 0)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="record all cases to this file")
    parser.add_argument("--cases", nargs="*", default=[], help="only cases that one of these patterns names")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"))
    parser.add_argument("--allow", nargs="*", default=[], metavar="PATTERN=REASON")
    given = parser.parse_args()
    if given.compare:
        old, new = (json.loads(path.read_text()) for path in given.compare)
        return compare(old, new, dict(item.partition("=")[::2] for item in given.allow))
    if given.out is None:
        parser.error("give --out FILE or --compare OLD NEW")
    given.out.write_text(json.dumps(record(given.cases), indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
