"""What the simulated board is made of: a NOR chip, SoC flash, modelled time, faults, and its firmware."""
