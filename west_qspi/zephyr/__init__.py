"""Zephyr's runners: what a build's ``runners.yaml`` names, run through Zephyr's own package of that name."""
