if(CONFIG_BOARD_WATCH_NRF5340_NRF5340_CPUAPP) #
  board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/qspi.json")
endif()
