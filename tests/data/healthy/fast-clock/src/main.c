#include <nrfx_clock.h>
/* Audio needs 128 MHz; there is no external flash in use here. */
int main(void)
{
	return nrfx_clock_divider_set(NRF_CLOCK_DOMAIN_HFCLK, NRF_CLOCK_HFCLK_DIV_1) == NRFX_SUCCESS ? 0 : -1;
}
