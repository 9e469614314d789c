-- Writes nothing, and is refused whenever writes are: tells whether they are taken again.
-- @key leases sorted set: instance id → when it expires
-- @reply number: 0
return redis.call('ZADD', KEYS.leases, 'XX', 0, '')
