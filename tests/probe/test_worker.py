"""The process with Nordic's library: how it is ended when it hangs, breaks, or the run goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.chips import new_board
from tests.helpers.processes import comes_true, is_running
from tests.probe.bench import Bench
from tests.probe.conftest import NewBench
from tests.probe.runs import opened
from west_qspi.errors import ProbeCrashed, ProbeFailed, ProbeHung
from west_qspi.probe.jlink import JLink
from west_qspi.probe.link import Core
from west_qspi.probe.wire import Call, Do
from west_qspi.probe.worker import CallFailed, Worker

RAM = 0x2000_0000

_RUN = """
import sys, time
from pathlib import Path
from west_qspi.probe.choice import ProbeOptions
from west_qspi.probe.jlink import open_probe
link = open_probe(ProbeOptions(library=Path(sys.argv[1])))
print(link.process, flush=True)
time.sleep(60)
"""


def processes(bench: Bench, link: JLink) -> list[int]:
    """Return the process of ours and the library's own helper, once it has made itself known."""
    assert comes_true(lambda: bool(bench.server.processes))
    return [link.process, *bench.server.processes]


@pytest.fixture
def bench(probe: NewBench) -> Bench:
    return probe(new_board())


@pytest.fixture
def link(bench: Bench) -> Iterator[JLink]:
    found = opened(bench, grace=1.0)
    yield found
    found.close()


def read(link: JLink) -> bytes:
    return link.bus(Core.APPLICATION).read(RAM, 4)


def test_closing_leaves_no_process(bench: Bench, link: JLink) -> None:
    there = processes(bench, link)
    assert all(map(is_running, there))
    link.close()
    assert comes_true(lambda: not any(map(is_running, there)))


def test_a_call_that_hangs_is_ended_at_its_deadline_with_all_that_belongs_to_it(
    bench: Bench, link: JLink
) -> None:
    there = processes(bench, link)
    bench.probe.held.clear()
    begun = time.monotonic()
    with pytest.raises(ProbeHung) as caught:
        read(link)
    # Without a deadline it would never come back.
    assert time.monotonic() - begun >= 1.0
    assert caught.value.during == "reading 4 bytes at 0x20000000"
    assert comes_true(lambda: not any(map(is_running, there)))
    # What is asked for afterwards is refused at once.
    with pytest.raises(ProbeCrashed, match="did not answer"):
        read(link)


def test_the_library_losing_its_helper_ends_the_process(bench: Bench, link: JLink) -> None:
    there = processes(bench, link)
    os.kill(there[1], signal.SIGKILL)
    with pytest.raises(ProbeCrashed, match=r"code -254"):
        # The library takes two seconds to find out, which the deadline must allow for.
        link._worker.run([Call(Do.READ, (RAM, 4))], 10.0)
    assert comes_true(lambda: not any(map(is_running, there)))


def test_a_process_that_dies_is_noticed_at_once(bench: Bench, link: JLink) -> None:
    there = processes(bench, link)
    os.kill(link.process, signal.SIGKILL)
    with pytest.raises(ProbeCrashed, match=r"status -9"):
        read(link)
    assert comes_true(lambda: not any(map(is_running, there)))


@pytest.mark.parametrize("hanging", [False, True], ids=["idle", "in a call that hangs"])
def test_a_run_that_is_killed_leaves_no_process(bench: Bench, hanging: bool) -> None:
    code = _RUN.replace("time.sleep(60)", "link.read_port(0, 0xFC)") if hanging else _RUN
    if hanging:
        code = code.replace("link.read_port", "sys.stdin.readline(); link.read_port")
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(bench.library)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert run.stdin is not None
    assert run.stdout is not None
    try:
        there = [int(run.stdout.readline())]
        assert comes_true(lambda: bool(bench.server.processes))
        there += bench.server.processes
        if hanging:
            bench.probe.held.clear()
            run.stdin.write(b"\n")
            run.stdin.flush()
            time.sleep(0.3)
        assert all(map(is_running, there))
    finally:
        run.kill()
        run.wait()
        run.stdin.close()
        run.stdout.close()
    assert comes_true(lambda: not any(map(is_running, there)))


def test_ctrl_c_does_not_reach_the_process(link: JLink) -> None:
    assert os.getpgid(link.process) == link.process != os.getpgid(0)
    assert os.getsid(link.process) != os.getsid(0)


def test_the_answer_to_a_call_that_was_given_up_is_not_taken_for_the_next_one(
    bench: Bench, link: JLink
) -> None:
    bench.device.ram.data[:8] = b"old new "
    assert read(link) == b"old "

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    bench.probe.held.clear()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            read(link)
    finally:
        signal.signal(signal.SIGALRM, before)
        bench.probe.held.set()
    assert link.bus(Core.APPLICATION).read(RAM + 4, 4) == b"new "


def test_only_what_the_library_wrote_about_this_error_is_quoted(bench: Bench, link: JLink) -> None:
    with pytest.raises(ProbeFailed, match="ReadMem"):
        link.bus(Core.APPLICATION).read(0x7000_0000, 4)
    bench.probe.refusals["write memory"] = 6
    with pytest.raises(ProbeFailed) as caught:
        link.bus(Core.APPLICATION).write(RAM, bytes(4))
    assert "The write access failed" in caught.value.reason
    assert "ReadMem" not in caught.value.reason


def test_an_error_costs_the_libraries_half_second_once(bench: Bench, link: JLink) -> None:
    begun = time.monotonic()
    for _ in range(4):
        with pytest.raises(CallFailed):
            link._worker.run([Call(Do.READ, (0x7000_0000, 4))], 1.0)
    # Twice each would be 4 seconds.
    assert 2.0 <= time.monotonic() - begun < 4.0


def test_calls_after_one_that_fails_are_not_carried_out(bench: Bench, link: JLink) -> None:
    link.bus(Core.APPLICATION).write(RAM, b"left")
    bad = Call(Do.READ, (0x7000_0000, 4))
    with pytest.raises(CallFailed) as caught:
        link._worker.run([Call(Do.WRITE, (RAM + 4, b"done")), bad, Call(Do.WRITE, (RAM, b"lost"))], 1.0)
    assert caught.value.call == bad
    assert bytes(bench.device.ram.data[:8]) == b"leftdone"


def test_a_package_of_the_users_folder_does_not_get_in_the_way(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit(1)")
    (tmp_path / "pynrfjprog.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    opened(bench).close()


def test_a_process_that_cannot_be_started_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ProbeCrashed, match="No such file"):
        Worker("test")


def test_where_the_library_is_not_installed_the_first_call_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pynrfjprog.py").write_text("raise ImportError('libnrfjprogdll.so: wrong architecture')")
    monkeypatch.syspath_prepend(tmp_path)
    worker = Worker("test")
    try:
        with pytest.raises(CallFailed) as caught:
            worker.run([Call(Do.OPEN, (None,))], 1.0)
    finally:
        worker.close()
    assert caught.value.failure.code is None
    assert "wrong architecture" in caught.value.failure.words
