/**
 * What renews a lease: heartbeats of its owner, or passed health checks of its instance. The first heartbeat turns a
 * lease renewed by checks into one renewed by heartbeats.
 */
export type LeaseKind = 'heartbeat' | 'checks';
