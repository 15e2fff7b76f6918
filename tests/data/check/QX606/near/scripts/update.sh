#!/bin/sh
# mcumgr image upload -n 2 qspi_flash_update.bin erases slot 1
mcumgr -c board image upload -n 0 app.bin
mcumgr -c board image upload -e -n 2 qspi_flash_update.bin
mcumgr -c board image upload --noerase --image 1 net.bin
mcumgr -c board image upload -n 2 \
  -e qspi_flash_update.bin
