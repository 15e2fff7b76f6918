"""Nothing is left of a test: not of one that ends, not of one that hangs, not of one that is killed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.helpers.chips import new_board
from tests.helpers.processes import comes_true, is_running
from tests.probe.bench import Bench
from tests.probe.conftest import NewBench

_VICTIM = """
import sys, time
from pathlib import Path
from tests.helpers.chips import new_board
from tests.probe.bench import Bench

bench = Bench(Path(sys.argv[1]), new_board())
bench.connected()
while not bench.server.processes:
    time.sleep(0.01)
print(*bench.server.processes, flush=True)
time.sleep(60)
"""

_WAITS = """
import ctypes, sys

library, libc = ctypes.CDLL(sys.argv[1]), ctypes.CDLL(None)
library.JLINKARM_Open()
libc.usleep(900_000_000)
moment = (ctypes.c_long * 2)()
libc.clock_gettime(0, moment)
print(moment[0])
moment[0] += 1
things = [ctypes.create_string_buffer(256) for _ in range(3)]
semaphore, condition, mutex = things
libc.sem_init(semaphore, 0, 0)
libc.sem_timedwait(semaphore, moment)
moment[0] += 1
libc.pthread_mutex_lock(mutex)
print(libc.pthread_cond_timedwait(condition, mutex, moment))
moment[0] += 1
print(libc.pthread_mutex_timedlock(mutex, moment))
"""


def test_a_killed_run_leaves_no_process(jlink_library: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(jlink_library)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )
    try:
        assert run.stdout is not None
        workers = [int(number) for number in run.stdout.readline().split()]
        assert workers
        assert all(map(is_running, workers))
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
        if run.stdout is not None:
            run.stdout.close()
    assert comes_true(lambda: not any(map(is_running, workers)))


def test_a_call_that_hangs_ends_with_its_bench(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    assert comes_true(lambda: len(bench.server.processes) == 1)
    (worker,) = bench.server.processes
    bench.probe.held.clear()
    ended: list[BaseException] = []

    def hang() -> None:
        try:
            api.read_u32(0x2000_0000)
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=hang, daemon=True)
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    bench.server.close()
    assert comes_true(lambda: not is_running(worker))
    thread.join(10)
    assert len(ended) == 1


def test_closing_leaves_neither_a_process_nor_a_file(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.read_u32(0x2000_0000)
    workers = set(bench.server.processes)
    socket = Path(bench.environment["WEST_QSPI_PROBE_SOCKET"])
    bench.close()
    assert comes_true(lambda: not any(map(is_running, workers)))
    assert not socket.parent.exists()
    assert "LD_PRELOAD" not in os.environ


def test_sleeps_are_skipped_in_a_folder_with_a_space_too(jlink_library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    library = Path(shutil.copy(jlink_library, folder))
    with Bench(library, new_board()) as bench:
        api = bench.connected()
        with bench.cost() as cost:
            api.erase_page(0)
    # 87 ms of erasing, asked about every 25 ms.
    assert cost.slept >= 0.05


def test_a_wait_lasts_as_long_as_asked_for_after_sleeps_that_were_skipped(probe: NewBench) -> None:
    bench = probe(new_board())
    begun, told = time.time(), time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", _WAITS, str(bench.library)],
        capture_output=True,
        text=True,
        env={**os.environ, **bench.environment},
        timeout=120,
        check=True,
    )
    now, *results = map(int, run.stdout.split())
    assert now >= begun + 900 - 1
    assert results == [errno.ETIMEDOUT, errno.ETIMEDOUT]
    # Three waits of a second each.
    assert 2 <= time.monotonic() - told < 100
    assert bench.probe.slept == 900
