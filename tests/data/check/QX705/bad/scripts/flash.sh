#!/bin/sh
set -e
nrfjprog --qspiini support/qspi.ini --program data.hex --verify
