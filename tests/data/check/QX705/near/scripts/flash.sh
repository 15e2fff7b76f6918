#!/bin/sh
# once: nrfjprog --qspiini support/qspi.ini --program data.hex
nrfutil device program --firmware data.hex --x-ext-mem-config-file support/qspi.json
nrfjprog --reset
