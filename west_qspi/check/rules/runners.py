"""QX401 to QX417: what runners are told of the external flash, and what they do to it."""
