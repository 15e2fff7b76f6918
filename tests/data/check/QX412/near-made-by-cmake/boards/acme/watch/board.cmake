configure_file(${BOARD_DIR}/in.ini ${BOARD_DIR}/support/gone.ini)
board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/gone.ini")
