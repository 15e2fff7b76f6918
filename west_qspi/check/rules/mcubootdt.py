"""QX303, QX317: MCUboot's own devicetree against the application's."""
