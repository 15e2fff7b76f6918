"""Several boards in one run: a process for each, so that one that fails or hangs disturbs none."""
