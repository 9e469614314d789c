-- Registers instances of one service, or replaces the registrations under their ids.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → what changes about it
-- @key details hash: instance id → what the last health check saw, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation
-- @key changes stream of changes; also the channel that they are told on
-- @arg limit number: about how many changes the stream keeps
-- @args registrations text: an instance id, the registration as JSON, and how long the lease lives, in turn
-- @reply list: the generations of the leases
-- @include time
-- @include state
-- @include announce
local ids, ttls, records = {}, {}, {}
for index = 2, #ARGV, 3 do
  local id = ARGV[index]
  ids[#ids + 1], ttls[#ttls + 1] = id, tonumber(ARGV[index + 2])
  records[#records + 1], records[#records + 2] = id, ARGV[index + 1]
end

-- Every key is read before the first one is written: one of another type in the way stops the script with nothing done.
redis.call('HLEN', KEYS.records)
redis.call('HLEN', KEYS.details)
redis.call('XLEN', KEYS.changes)
local wasEmpty = redis.call('ZCARD', KEYS.leases) == 0
local known = redis.call('HMGET', KEYS.states, unpack(ids))
local meta = redis.call('HMGET', KEYS.meta, 'epoch', 'sequence', 'tag', 'generation')

local epoch, tag = meta[1], meta[3] or '-'
if not epoch then
  epoch, tag = beginEpoch(KEYS.meta, KEYS.changes), '-'
end
local sequence = tonumber(meta[2]) or 0
-- A server that took over with a clock that is behind counts on from the last generation that it knows. The step keeps
-- two such servers from giving the same generations.
local generation = math.max(micros, (tonumber(meta[4]) or 0) + 1 + micros % 1000)

local at = digits(now)
local states, leases, stale, generations, current = {}, {}, {}, {}, {}
for index, id in ipairs(ids) do
  -- One id may come twice: the second registration replaces the first.
  local before = current[id] or known[index]
  local previous = before and readState(before)
  local number = digits(sequence + index)
  local text = writeState({
    generation = digits(generation + index - 1),
    ttl = ttls[index],
    order = previous and previous.order or number,
    registeredAt = at,
    operator = previous and previous.operator == 'maintenance' and 'maintenance' or 'up',
    health = 'unknown',
    announcedAt = 0,
    announced = '-',
  })
  tag = tell(KEYS.changes, ARGV[1], epoch, number, tag, { 'put', id, records[2 * index], text, at, '' })
  generations[index], current[id] = digits(generation + index - 1), text
  states[2 * index - 1], states[2 * index] = id, text
  leases[2 * index - 1], leases[2 * index] = digits(now + ttls[index]), id
  if before then stale[#stale + 1] = id end
end

local last = digits(generation + #ids - 1)
redis.call('HSET', KEYS.meta, 'sequence', digits(sequence + #ids), 'tag', tag, 'generation', last)
redis.call('HSET', KEYS.records, unpack(records))
redis.call('HSET', KEYS.states, unpack(states))
redis.call('ZADD', KEYS.leases, unpack(leases))
if #stale > 0 then redis.call('HDEL', KEYS.details, unpack(stale)) end
if wasEmpty then
  redis.call('PERSIST', KEYS.meta)
  redis.call('PERSIST', KEYS.changes)
end
return generations
