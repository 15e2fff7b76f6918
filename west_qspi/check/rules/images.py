"""QX501 to QX515: images against their slots, and against what was configured."""
