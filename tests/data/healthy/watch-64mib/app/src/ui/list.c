void list(void) { }
