#if USE_PARTITION_MANAGER
#else
int id = FIXED_PARTITION_ID(fonts);
#endif
