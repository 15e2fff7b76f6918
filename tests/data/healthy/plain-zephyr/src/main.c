#include <zephyr/storage/flash_map.h>
static const int area = FIXED_PARTITION_ID(assets_partition);
int main(void) { return area; }
