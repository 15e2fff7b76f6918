board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/qspi.json")
include(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)
