-- Registers or renews a health checker, and removes checkers that have expired.
-- @key checkers sorted set: checker id → when it expires
-- @arg id text: of the checker
-- @arg ttlMs number: the time until it expires; 0 to remove it
-- @reply list: the ids of all checkers
-- @include time
redis.call('ZADD', KEYS.checkers, digits(now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS.checkers, '-inf', digits(now))
return redis.call('ZRANGE', KEYS.checkers, 0, -1)
