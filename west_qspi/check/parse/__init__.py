"""Readers of source files that keep lines, take what people write, and judge nothing."""
