"""``qspi-check``: what would not boot, fit, update or program, said before a commit or after a build."""
