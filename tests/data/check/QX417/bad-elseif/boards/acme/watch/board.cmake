if(CONFIG_BOARD_WATCH)
  board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/qspi.json")
elseif(CONFIG_BOARD_CLOCK) #
  board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/qspi.ini")
endif()
