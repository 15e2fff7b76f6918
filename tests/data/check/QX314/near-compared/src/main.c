#include <nrfx_clock.h>

int main(void)
{
    if (nrf_clock_hfclk_div_get(NRF_CLOCK) == NRF_CLOCK_HFCLK_DIV_1) {
        nrfx_clock_divider_set(NRF_CLOCK_DOMAIN_HFCLK, NRF_CLOCK_HFCLK_DIV_2);
    }
    return 0;
}
