#!/bin/sh
# once: nrfjprog --qspiini support/qspi.ini --program data.hex
nrfutil device --x-ext-mem-config-file support/qspi.json program --firmware data.hex
nrfjprog --reset
