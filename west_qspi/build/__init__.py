"""Reading a build directory: Kconfig, partitions, devicetree, sysbuild, artifacts."""
