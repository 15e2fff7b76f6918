"""Updates over the air and over the wire: the images that are only good together, as one thing."""
