"""QX503 to QX510: the halves of a split image against each other, and what is flashed of them."""
