board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/qspi.ini")
include(${ZEPHYR_BASE}/boards/common/nrfjprog.board.cmake)
