board_runner_args(jlink "--device=nRF52840_xxAA" "--speed=4000")
board_runner_args(nrfjprog "--qspiini=${CMAKE_CURRENT_LIST_DIR}/band.ini")
include(${ZEPHYR_BASE}/boards/common/nrfjprog.board.cmake)
include(${ZEPHYR_BASE}/boards/common/jlink.board.cmake)
