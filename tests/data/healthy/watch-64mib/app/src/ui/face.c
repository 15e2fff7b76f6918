void face(void) { }
