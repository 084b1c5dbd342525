"""A dead owner is known to be dead only when that is certain."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eversince_async.journal.owners import has_died, new_incarnation

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who is alive")


def of_process(pid):
    host, machine, _, token = new_incarnation().split("/")
    return f"{host}/{machine}/{pid}/{token}"


def test_every_run_has_another_name():
    assert new_incarnation() != new_incarnation()


def test_this_process_lives():
    assert not has_died(new_incarnation())


@linux
def test_a_process_that_ended_has_died_and_one_that_runs_has_not():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        assert not has_died(of_process(process.pid))
        process.kill()
        process.wait()

    assert has_died(of_process(process.pid))


@linux
def test_a_killed_process_that_nobody_has_waited_for_has_died():
    process = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    with process:
        process.stdout.readline()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # looks, and leaves it a zombie

        assert has_died(of_process(process.pid))


@pytest.mark.parametrize(
    "name", ["", "x", "a/b/c", "host/another-boot/999999999/t", "host/elsewhere/999999999/t"]
)
def test_of_others_nothing_is_known(name):
    assert not has_died(name)
