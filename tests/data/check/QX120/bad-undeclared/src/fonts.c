#include <zephyr/storage/flash_map.h>

int fonts(void)
{
    return FIXED_PARTITION_ID(fonts);
}
