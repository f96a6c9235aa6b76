"""`python -m benchmarks`: how fast chains are, beside other libraries and what the processor can do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from gibbsian.cli.options import Arg
from gibbsian.cli.result import Result, table
from gibbsian.cli.runs import Device, require_writable
from gibbsian.core.errors import UsageError, unknown

if TYPE_CHECKING:
    from .chains import Settings

PLACE = "benchmarks/results"
MINUTES = {"chains": (2.0, 0.8), "hmc": (4.5, 0.6), "scaling": (0.5, 0.3)}
"""Of a section on two idle cores: before the first round, most of it compiling, and for each round."""


def bench(
    what: Annotated[
        str, Arg("chains, hmc, scaling, all, none, or cases such as mlp-64,conv-16", "WHAT")
    ] = "chains",
    *,
    rounds: Annotated[int, Arg("times that everyone has a turn", "N")] = 5,
    threads: Annotated[int | None, Arg("threads of torch", "N")] = None,
    device: Device = "cpu",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], Arg("of ours; auto: bfloat16 too, where the device has it")
    ] = "auto",
    implementations: Annotated[
        str | None, Arg("gibbsian, compiled, bf16, bf16-compiled, plain, torchebm, ebmkit", "NAME,NAME")
    ] = None,
    no_compile: Annotated[bool, Arg("leave out the compiled path")] = False,
    no_cold: Annotated[bool, Arg("leave out the starts of the compiled path")] = False,
    quick: Annotated[bool, Arg("one round, nothing compiled, nothing kept: does it run here?")] = False,
    out: Annotated[str, Arg("folder for records, one JSON file a section", "DIR")] = PLACE,
    write: Annotated[str | None, Arg("make this page, and its pictures, from the records", "F.md")] = None,
) -> Result:
    """Time chains and training steps: this library, a loop by hand, torchebm and ebmkit, all in one run and
    in turns, with the matrix products alone beside. Libraries that are not installed are left out.

    Sections are kept in --out; single cases join those kept there. The cases trial-chains and trial-updates
    take milliseconds, and nothing is kept where one is named. WHAT none measures nothing, for --write.
    """
    from gibbsian.core.device import usable

    from .report import keep, require_same
    from .report import write as write_page

    usable(device)
    sections, cases = wanted(what)
    keeps = bool(sections) and not quick and not any(name.startswith("trial-") for name in cases)
    if keeps:
        require_writable(Path(out))
    if set(sections) - {"chains"} and (
        implementations or no_compile or precision != "auto" or device != "cpu"
    ):
        raise UsageError(
            "the sections hmc and scaling run on the CPU in float32 and take --rounds and --threads only: "
            "measure chains apart for --device, --precision, --implementations or --no-compile"
        )
    if quick:
        rounds, no_compile, no_cold = 1, True, True
    if write:
        require_writable(Path(write).parent)
    settings = _settings(cases, device, precision, implementations, compiled=not no_compile, cold=not no_cold)
    words = _words(rounds, threads, device, precision, implementations, no_compile, no_cold)
    records = []
    with _threads(threads):
        for section in sections:
            named = ",".join(cases) if section == "chains" and cases else section
            _say(_minutes(section, rounds, settings, keeps))
            if keeps and cases:
                require_same(Path(out), settings.device, rounds)
            found = _record(section, " ".join(["python -m benchmarks", named, *words]), rounds, settings)
            if keeps:
                keep(Path(out), found, merge=section == "chains" and bool(cases))
            records.append(found)
    written = [str(p) for p in write_page(Path(out), Path(write))] if write else []
    text = [_text(found) for found in records] + [f"wrote {path}" for path in written]
    text += [f"kept in {Path(out, section)}.json" for section in sections if keeps]
    return Result({**{r["section"]: r for r in records}, "written": written}, "\n\n".join(text))


def wanted(what: str) -> tuple[list[str], list[str]]:
    """Sections and cases that WHAT stands for; raises `UsageError` for an unknown word."""
    from .cases import CASES, TRIALS
    from .report import SECTIONS

    words = [word for word in what.split(",") if word]
    for word in words:
        if word not in (*SECTIONS, *CASES, *TRIALS, "all", "none"):
            raise unknown("section or case", word, [*SECTIONS, *CASES, "all", "none"])
    named = list(SECTIONS) if "all" in words else words
    cases = [] if "chains" in named else [word for word in words if word in CASES or word in TRIALS]
    return [name for name in SECTIONS if name in named or (name == "chains" and cases)], cases


def _settings(
    cases: list[str],
    device: str,
    precision: Literal["auto", "fp32", "bf16"],
    implementations: str | None,
    *,
    compiled: bool,
    cold: bool,
) -> Settings:
    import torch

    from .cases import CASES, find
    from .chains import Settings

    return Settings(
        cases=[find(name) for name in cases or CASES],
        device=torch.device(device),
        precision=precision,
        implementations=None if implementations is None else implementations.split(","),
        compiled=compiled,
        cold=cold,
    )


def _words(
    rounds: int,
    threads: int | None,
    device: str,
    precision: str,
    implementations: str | None,
    no_compile: bool,
    no_cold: bool,
) -> list[str]:
    """The options, as one would type them to measure the same again."""
    values = {
        "threads": threads,
        "device": device,
        "precision": precision,
        "implementations": implementations,
    }
    usual = {"threads": None, "device": "cpu", "precision": "auto", "implementations": None}
    words = [f"--{name} {value}" for name, value in values.items() if value != usual[name]]
    switches = ["--no-compile"] * no_compile + ["--no-cold"] * no_cold
    return [f"--rounds {rounds}", *words, *switches]


def _record(section: str, command: str, rounds: int, settings: Settings) -> dict[str, Any]:
    from .hardware import machine
    from .report import module, record

    measured: Any = module(section)
    more = {"settings": settings} if section == "chains" else {}
    if section == "hmc":
        more = {"settings": measured.Settings(compiled=settings.compiled)}
    result = measured.measure(rounds=rounds, notify=_say, **more)
    return record(section, command, machine(settings.device), result)


def _minutes(section: str, rounds: int, settings: Settings, keeps: bool) -> str:
    """How long a section takes, as its first line tells it."""
    from .cases import CASES

    before, each = MINUTES[section]
    share = len(settings.cases) / len(CASES) if section == "chains" else 1
    before = before if settings.compiled or section == "scaling" else before / 4
    told = f"{section}: about {max(1, round(share * (before + rounds * each)))} min on two idle cores"
    return told + ("; with --quick less, nothing being compiled or kept" if keeps else "")


def _text(found: dict[str, Any]) -> str:
    from .hardware import line
    from .report import module
    from .show import rows, verdicts

    result, head = found["result"], line(found["machine"])
    if found["section"] != "chains":
        return f"{head}\n\n{module(found['section']).table(result)}"
    return "\n\n".join(part for part in (head, table(rows(result)), table(verdicts(result))) if part)


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Torch with so many threads, and as before afterwards."""
    import torch

    before = torch.get_num_threads()
    if number is not None and number < 1:
        raise UsageError(f"--threads is {number}: at least 1")
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
