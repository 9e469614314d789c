-- Notes that a checker of health is alive, and forgets those of which nothing was heard.
-- @key checkers sorted set: checker id → until when it counts as alive
-- @arg id text: of the checker
-- @arg ttlMs number: for how long it counts as alive; 0: no longer
-- @reply list: the ids of all that are alive
-- @include time
redis.call('ZADD', KEYS.checkers, digits(now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS.checkers, '-inf', digits(now))
return redis.call('ZRANGE', KEYS.checkers, 0, -1)
