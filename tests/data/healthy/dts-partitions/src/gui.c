void gui(void) { }
