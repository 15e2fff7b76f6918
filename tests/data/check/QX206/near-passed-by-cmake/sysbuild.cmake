add_overlay_config(mcuboot ${CMAKE_CURRENT_LIST_DIR}/external.conf)
