"""A device behind nrfutil, Nordic's command line tool, as a target."""
