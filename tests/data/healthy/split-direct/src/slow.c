void slow(void) { }
