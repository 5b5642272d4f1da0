from __future__ import annotations

import shutil

import pytest

from pywatt.errors import MissingExtra
from pywatt.profiling.py_spy import find_program, refusal, samples

WHO = "worker 0 of api (pid 7)"
BACKTRACE = "\n\nStack backtrace:\n   0: anyhow::error::msg\n"


def test_samples_are_counted() -> None:
    assert samples("py-spy> Wrote flamegraph data to 'a.svg'. Samples: 99 Errors: 0\n") == 99
    assert samples("") == 0


def test_without_py_spy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    with pytest.raises(MissingExtra, match="pywatt profile needs the package py-spy") as caught:
        find_program()
    assert caught.value.hint == "pip install 'pywatt[profile]'"


@pytest.mark.parametrize(
    "told",
    [
        "Permission Denied: Try running again with elevated permissions by going 'sudo env \"PATH=$PATH\" !!'",
        f"Error: Operation not permitted (os error 1){BACKTRACE}",
    ],
)
def test_what_the_kernel_refuses_is_told_with_what_to_do(told: str) -> None:
    error = refusal(told, WHO, scope=0, ended=False)
    assert error.message == f"the kernel does not permit to read the stacks of {WHO} (ptrace)"
    assert "sudo" in error.hint
    assert "--cap-add SYS_PTRACE" in error.hint
    assert "ptrace_scope" not in error.hint
    assert "sysctl kernel.yama.ptrace_scope=0 (it is 1)" in refusal(told, WHO, scope=1, ended=False).hint


@pytest.mark.parametrize(
    ("told", "ended", "message"),
    [
        (f"Error: Failed to find python version from target process{BACKTRACE}", False, "runs no Python"),
        ("Error: No stack counts found", False, "did nothing in this time"),
        (f"Error: Failed to get process executable name.{BACKTRACE}", True, "has ended"),
        (f"Error: something else{BACKTRACE}", False, f"py-spy failed for {WHO}: something else"),
        ("", False, "it told no reason"),
    ],
)
def test_other_failures_are_told(told: str, ended: bool, message: str) -> None:
    error = refusal(told, WHO, scope=0, ended=ended)
    assert message in error.message
    assert "anyhow" not in error.message
