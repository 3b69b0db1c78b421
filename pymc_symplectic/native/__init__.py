"""Undocumented parts of other libraries that this package uses, one file to a library.

A name that a library does not document may move in its next version.  So each stands in one function here, which says
what it touches, why, and in which versions that was seen; and which goes on without it, slower but with the same
numbers, where that is possible, or raises an `UnfitVersionError` that names the library.  ``tests/native`` has one test
for each, and one that finds any other use of private names in the package.

==========  =====================================================================================
`numba`     options, addresses and generators in compiled code, the disk cache, contexts
`numpy`     the addresses of a bit generator's functions
`pytensor`  what a compiled function is made of, and what its operations are
`pymc`      the hooks of step methods, progress bars, and functions without a page in its manual
`jax`       whether it has started threads
==========  =====================================================================================

Kernels import `native.numba` and `native.numpy` alone, and those import nothing of PyMC.
"""
