"""QX120, QX121: partitions in devicetree and Kconfig that Partition Manager passes over."""
