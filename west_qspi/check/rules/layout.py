"""QX107 to QX124: slots and their parts, against what the options ask for."""
