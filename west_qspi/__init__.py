"""Program and prove firmware that is split between internal flash and external QSPI flash."""

__version__ = "0.1.0"
