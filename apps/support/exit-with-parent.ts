/**
 * Preloaded into every child by {@link ProcessGroup}: the child exits with its parent, however that exits. A parent
 * killed with SIGKILL cannot notify its children, but the operating system closes its end of the channel.
 */
process.on('disconnect', () => process.exit());
// The channel must not keep a finished child alive.
process.channel?.unref();
