#include <nrfx_qspi.h>
int main(void) { return nrfx_qspi_dma_encrypt(0); }
