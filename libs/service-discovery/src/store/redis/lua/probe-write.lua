-- Changes nothing, but fails while writes are refused: shows whether they are accepted again.
-- @key leases sorted set: instance id → when it expires
-- @reply number: 0
return redis.call('ZADD', KEYS.leases, 'XX', 0, '')
