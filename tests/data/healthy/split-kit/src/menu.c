#include <zephyr/kernel.h>

static int depth;

void menu_run(void)
{
	depth++;
	printk("menu %d\n", depth);
}
