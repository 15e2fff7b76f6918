add_region(NAME fram SIZE 0x2000 BASE 0 PLACEMENT start_to_end)
