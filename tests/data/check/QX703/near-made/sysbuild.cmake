file(WRITE ${APP_DIR}/made.conf "CONFIG_FLASH=y")
list(APPEND mcuboot_EXTRA_CONF_FILE ${APP_DIR}/made.conf)
