"""QX118 to QX128: static partition files that are not taken, not complete, or not what they seem."""
