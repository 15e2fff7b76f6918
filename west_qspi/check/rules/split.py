"""QX201 to QX225: what a split image needs of sysbuild, the linker and the drivers."""
