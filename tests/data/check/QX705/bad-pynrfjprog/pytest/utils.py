from pynrfjprog import HighLevel


def setup(probe: HighLevel.DebugProbe) -> None:
    probe.setup_qspi_with_ini("qspi.ini")
