int main(void)
{
	nrf_qspi_nor_xip_enable(flash, true);
	return big();
}
