"""QX601 to QX609: updates of several images at once."""
