board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/qspi.ini")
