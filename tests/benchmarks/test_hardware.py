"""The line that says what figures were measured on."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import hardware
from gibbsian.core import device

CPU = torch.device("cpu")


def test_the_line_has_processor_threads_and_versions():
    facts = hardware.machine(CPU)
    json.dumps(facts)
    text = hardware.line(facts)
    assert hardware.processor() in text and torch.__version__ in text and facts["date"] in text
    assert f"{torch.get_num_threads()} threads" in text


@pytest.mark.parametrize(
    ("flags", "native"), [("fpu avx2 avx512f", False), ("avx512_bf16", True), ("amx_bf16 amx_tile", True)]
)
def test_bfloat16_is_read_from_the_flags(flags, native, tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: A Processor\nflags\t\t: {flags}\n")
    monkeypatch.setattr(device, "Path", lambda _: info)
    assert device.native_bf16(CPU) is native and hardware.processor() == "A Processor"


def test_without_cpuinfo_nothing_is_claimed(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "Path", lambda _: tmp_path / "none")
    assert not device.native_bf16(CPU) and hardware.processor()


def test_a_version_that_is_not_there_is_empty():
    assert hardware.version_of("no-such-distribution") == "" and hardware.version_of("torch")
