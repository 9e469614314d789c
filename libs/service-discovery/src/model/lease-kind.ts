/**
 * What renews a lease: the heartbeats that its owner sends, or the health checks that its instance passes. The first
 * heartbeat makes a lease that is kept by checks one that is kept by heartbeats.
 */
export type LeaseKind = 'heartbeat' | 'checks';
