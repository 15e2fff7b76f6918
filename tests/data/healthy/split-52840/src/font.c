const int glyphs[2] = {1, 2};
