"""Devices behind a debug probe, driven by plain memory access: no code runs on them, no vendor's routine."""
