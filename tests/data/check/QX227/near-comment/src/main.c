/* nrfx_qspi_dma_encrypt(key); */
