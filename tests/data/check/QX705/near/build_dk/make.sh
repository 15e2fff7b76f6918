nrfjprog --qspiini qspi.ini --program zephyr.hex
