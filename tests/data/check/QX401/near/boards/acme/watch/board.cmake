board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/qspi.ini")
board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/qspi.json")
include(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)
include(${ZEPHYR_BASE}/boards/common/nrfjprog.board.cmake)
