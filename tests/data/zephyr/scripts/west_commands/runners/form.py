# Which Zephyr this stands in for: "3.4", "3.7" or "main". A test writes it anew.
FORM = "main"
