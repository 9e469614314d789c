/** Names this process in its answers, so that you see who answered. */
export const INSTANCE = process.env.INSTANCE_NAME ?? `pid-${process.pid}`;
