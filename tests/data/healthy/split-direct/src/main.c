void slow(void);
int main(void) { slow(); return 0; }
