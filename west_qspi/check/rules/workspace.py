"""QX701 to QX707: leftovers, and tools that work differently than the project believes."""
