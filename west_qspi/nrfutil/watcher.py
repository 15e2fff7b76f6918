"""The process between a run and nrfutil: when the run dies, whatever killed it, so does the tool.

It starts the tool, which writes to this process's own streams, and waits for it. Its standard input is a pipe
that the run holds open without writing to it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from west_qspi.processes import end_with


def main(*command: str) -> None:
    """Run the tool to its end, and end as it did."""
    # A handler, and not that it is ignored: the latter would be handed on to the tool.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    threading.Thread(target=end_with, args=(0,), daemon=True).start()
    try:
        status = subprocess.call(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror or error}\n")
        status = 126
    sys.stderr.flush()
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)
