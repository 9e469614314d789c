/** Identifies this process in its answers. */
export const INSTANCE = process.env.INSTANCE_NAME ?? `pid-${process.pid}`;
