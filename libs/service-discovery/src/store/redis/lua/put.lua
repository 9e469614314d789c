-- Registers instances of one service, replacing registrations of the same ids. A recovered registration gives way to
-- one that was made after its original registration.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, loans
-- @key changes stream of changes, and the channel on which they are published
-- @arg limit number: about how many changes the stream keeps
-- @args registrations text: for each instance its id, the registration as JSON, the length of the lease, what renews
--   it, and for a recovery the original generation, else an empty text
-- @reply list: the generations of the leases, 0 for a registration that gave way
-- @include time
-- @include state
-- @include announce
-- @include lend
-- @include check
local ids = {}
for index = 2, #ARGV, 5 do ids[#ids + 1] = ARGV[index] end

checkTypes(KEYS)
local wasEmpty = redis.call('ZCARD', KEYS.leases) == 0
local known = redis.call('HMGET', KEYS.states, unpack(ids))
local meta = redis.call('HMGET', KEYS.meta, 'epoch', 'sequence', 'tag', 'generation')

local epoch, tag = meta[1], meta[3] or '-'
local sequence = tonumber(meta[2]) or 0
-- After a failover to a server whose clock is behind, generations continue from the last one it knows. The step keeps
-- two such servers from assigning the same generations.
local generation = math.max(micros, (tonumber(meta[4]) or 0) + 1 + micros % 1000) - 1

local at = digits(now)
local records, states, leases, registered, generations, current = {}, {}, {}, {}, {}, {}
for index, id in ipairs(ids) do
  local record, ttl = ARGV[5 * index - 2], tonumber(ARGV[5 * index - 1])
  local lease, claim = ARGV[5 * index], ARGV[5 * index + 1]
  -- An id may occur twice: the second registration replaces the first.
  local before = current[id] or known[index]
  local previous = before and readState(before)
  if claim ~= '' and previous and tonumber(previous.claim) > tonumber(claim) then
    generations[index] = '0'
  else
    if not epoch then
      epoch, tag = beginEpoch(KEYS), '-'
      sequence = tonumber(redis.call('HGET', KEYS.meta, 'sequence'))
    end
    sequence, generation = sequence + 1, generation + 1
    local number, own = digits(sequence), digits(generation)
    local text = writeState({
      generation = own,
      ttl = ttl,
      order = previous and previous.order or number,
      registeredAt = at,
      -- The operator status includes its note.
      operator = previous and string.match(previous.operator, '^maintenance') and previous.operator or 'up',
      health = 'unknown',
      announcedAt = 0,
      announced = '-',
      claim = claim ~= '' and claim or own,
      lease = lease,
    })
    tag = tell(KEYS.changes, ARGV[1], epoch, number, tag, { 'put', id, record, text, at, '' })
    generations[index], current[id] = own, text
    records[#records + 1], records[#records + 2] = id, record
    states[#states + 1], states[#states + 2] = id, text
    leases[#leases + 1], leases[#leases + 2] = digits(now + ttl), id
    registered[#registered + 1] = id
  end
end
if #records == 0 then return generations end

redis.call('HSET', KEYS.meta, 'sequence', digits(sequence), 'tag', tag, 'generation', digits(generation))
redis.call('HSET', KEYS.records, unpack(records))
redis.call('HSET', KEYS.states, unpack(states))
redis.call('ZADD', KEYS.leases, unpack(leases))
-- Also for new ids: Redis may have lost everything but their details.
redis.call('HDEL', KEYS.details, unpack(registered))
for _, id in ipairs(registered) do redis.call('HDEL', KEYS.meta, loanOf(id)) end
if wasEmpty then
  redis.call('PERSIST', KEYS.meta)
  redis.call('PERSIST', KEYS.changes)
end
return generations
