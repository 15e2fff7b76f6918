board_runner_args(nrfjprog "--qspiini=${SHARED_DIR}/support/gone.ini")
