#!/bin/sh
set -e
west build -b nrf5340dk/nrf5340/cpuapp --sysbuild app
mcumgr -c serial image upload build/app/zephyr/zephyr.signed.bin
mcumgr -c serial image upload -e -n 1 build/signed_by_mcuboot_and_b0_ipc_radio.bin
nrfutil device program --firmware build/merged.hex --options chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE
