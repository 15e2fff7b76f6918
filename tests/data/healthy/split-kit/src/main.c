#include <zephyr/kernel.h>
#include "menu.h"

int main(void)
{
	/* The flash is at 8 MHz, NRF_CLOCK_HFCLK_DIV_1 for the CPU would need a workaround. */
	menu_run();
	return 0;
}
