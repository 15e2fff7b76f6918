if(CONFIG_BOARD_WATCH)
  board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/qspi.json")
endif()
