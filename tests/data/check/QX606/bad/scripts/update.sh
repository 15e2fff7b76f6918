#!/bin/sh
mcumgr -c board image upload app.bin
mcumgr -c board image upload -n 2 qspi_flash_update.bin
