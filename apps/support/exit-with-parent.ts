/**
 * Preloaded into every child by {@link ProcessGroup}: the child leaves when its parent does, however that one ended.
 * A parent killed with SIGKILL cannot say goodbye, but the operating system closes its end of the channel.
 */
process.on('disconnect', () => process.exit());
// The channel alone is no reason to stay: a child that is done ends by itself.
process.channel?.unref();
