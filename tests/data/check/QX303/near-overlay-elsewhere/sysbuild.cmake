list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE ${SHARED}/flash.overlay)
