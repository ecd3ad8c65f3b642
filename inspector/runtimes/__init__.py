"""How the networks of a model bundle are executed, and how their outputs are read.

:mod:`inspector.runtimes.load` is the entrance. :mod:`inspector.runtimes.torch` alone needs torch and is
imported only when a configuration asks for it.
"""
