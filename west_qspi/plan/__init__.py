"""Planning: what to erase, program and verify, in which order, and what that takes."""
