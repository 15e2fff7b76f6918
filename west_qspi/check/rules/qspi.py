"""QX310 to QX316: the QSPI peripheral, its pins and its clock, and the chip on it."""
