"""External flash: the parts that are known, and how a build says that a chip is to be driven."""
