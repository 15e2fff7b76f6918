"""The rules, one module a group; see ``rule.py`` for what a rule is."""
