"""QX413, QX414: hex files against what a programmer's configuration reaches."""
