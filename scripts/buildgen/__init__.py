"""Complete NCS build directories without the SDK and a compiler: for tests, demos and trying things out.

Everything around the code is what sysbuild writes (file names, layouts, keys, addresses, signatures by the
real imgtool); only the code itself is made up. The same options always give the same bytes.
"""

from buildgen.chipnode import ChipNode
from buildgen.make import make_build
from buildgen.options import BuildOptions

__all__ = ["BuildOptions", "ChipNode", "make_build"]
