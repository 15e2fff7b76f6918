void ext(void) { }
