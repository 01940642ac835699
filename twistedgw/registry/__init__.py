"""One generation's meaning: the immutable `Snapshot`, and the `Registry` that holds the current one."""
