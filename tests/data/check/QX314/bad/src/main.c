#include <nrfx_clock.h>

int main(void)
{
    nrfx_clock_divider_set(NRF_CLOCK_DOMAIN_HFCLK, NRF_CLOCK_HFCLK_DIV_1);
    return 0;
}
