#include <zephyr/dfu/mcuboot.h>
int main(void) { return boot_write_img_confirmed(); }
