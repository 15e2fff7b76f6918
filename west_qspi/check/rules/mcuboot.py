"""QX211 to QX227: what MCUboot itself is configured with."""
