#include <zephyr/bluetooth/bluetooth.h>

int ble_start(void)
{
	return bt_enable(NULL);
}
