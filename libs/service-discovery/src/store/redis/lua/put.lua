-- Registers an instance, or replaces the registration under its id.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → what changes about it
-- @key details hash: instance id → what the last health check saw, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, generation
-- @key changes stream of changes; also the channel that they are told on
-- @arg id text: the instance id
-- @arg record text: the registration as JSON
-- @arg ttlMs number: how long the lease lives
-- @arg limit number: about how many changes the stream keeps
-- @reply text: the generation of the lease
-- @include time
-- @include state
-- @include announce
local id, record, ttl, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

-- Every key is read before the first one is written: one of another type in the way stops the script with nothing done.
redis.call('HEXISTS', KEYS.records, id)
redis.call('HEXISTS', KEYS.details, id)
redis.call('ZSCORE', KEYS.leases, id)
redis.call('XLEN', KEYS.changes)
local known = redis.call('HGET', KEYS.states, id)
local last = redis.call('HMGET', KEYS.meta, 'generation', 'sequence')
local previous = known and readState(known)

local generation = math.max(micros, (tonumber(last[1]) or 0) + 1)
local state = {
  generation = digits(generation),
  ttl = ttl,
  order = previous and previous.order or digits((tonumber(last[2]) or 0) + 1),
  registeredAt = digits(now),
  operator = previous and previous.operator == 'maintenance' and 'maintenance' or 'up',
  health = 'unknown',
  announcedAt = 0,
  announced = '-',
}
local text = writeState(state)
announce(KEYS.meta, KEYS.changes, limit, { 'put', id, record, text, digits(now), '' })
redis.call('HSET', KEYS.meta, 'generation', state.generation)
redis.call('HSET', KEYS.records, id, record)
redis.call('HSET', KEYS.states, id, text)
redis.call('HDEL', KEYS.details, id)
redis.call('ZADD', KEYS.leases, digits(now + ttl), id)
redis.call('PERSIST', KEYS.meta)
redis.call('PERSIST', KEYS.changes)
return state.generation
