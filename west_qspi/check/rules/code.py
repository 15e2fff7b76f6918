"""QX504 to QX516: code and data that must not be in external flash, by the linked program."""
