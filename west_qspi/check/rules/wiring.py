"""QX406 to QX419: a programmer's file against the board: lines, pins, clock, peripheral."""
