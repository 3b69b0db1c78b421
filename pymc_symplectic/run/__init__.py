"""A run of many chains, from its arguments to its result: on threads or an executor, in memory or in a store."""
