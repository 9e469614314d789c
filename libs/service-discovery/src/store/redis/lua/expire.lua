-- Takes out instances of one service whose leases have run out, those that ran out first before others.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → what changes about it
-- @key details hash: instance id → what the last health check saw, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, generation
-- @key changes stream of changes; also the channel that they are told on
-- @arg cap number: how many at most
-- @arg limit number: about how many changes the stream keeps
-- @reply numbers: how many were taken out, and how many are left
-- @include time
-- @include announce
-- @include drop
local expired = redis.call('ZRANGEBYSCORE', KEYS.leases, '-inf', digits(now), 'LIMIT', 0, ARGV[1])
for _, id in ipairs(expired) do
  drop(KEYS, ARGV[2], id, 'expired')
end
return { #expired, redis.call('ZCARD', KEYS.leases) }
