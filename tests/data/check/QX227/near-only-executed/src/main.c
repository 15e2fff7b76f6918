#include <nrfx_qspi.h>

void encrypt(const nrf_qspi_encryption_t *key)
{
	nrfx_qspi_xip_encrypt(key);
}
