#include <zephyr/storage/flash_map.h>
#include <zephyr/fs/littlefs.h>
FS_LITTLEFS_DECLARE_DEFAULT_CONFIG(data);
static const int area = FIXED_PARTITION_ID(littlefs_storage);
static const int more = FIXED_PARTITION_ID(storage_partition);
int main(void) { return area + more; }
