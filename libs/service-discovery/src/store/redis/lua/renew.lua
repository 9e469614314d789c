-- Extends leases of one service, and publishes the renewals. A heartbeat extends any lease and turns a checked lease
-- into one kept by heartbeats, which is published; checks do not extend a lease kept by heartbeats. A lease without its
-- record, for example after an eviction, is lost.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, loans
-- @key changes stream of changes, and the channel on which they are published
-- @arg channel text: where renewals are published
-- @arg by text: heartbeat or checks
-- @arg limit number: about how many changes the stream keeps
-- @args leases text: for each lease its instance id and its generation, which a space and the SHA-1 of its record may
--   follow
-- @reply numbers: 1 for a lease that is held, 0 for one that is lost, 2 for one that is held with another record
-- @include time
-- @include state
-- @include announce
-- @include lend
-- @include check
local by = ARGV[2]
local function convert(id, state)
  checkTypes(KEYS)
  state.lease = by
  local text = writeState(state)
  local record, detail = redis.call('HGET', KEYS.records, id), redis.call('HGET', KEYS.details, id) or ''
  announce(KEYS, ARGV[3], { 'put', id, record, text, digits(now), detail })
  redis.call('HSET', KEYS.states, id, text)
end

-- The digest is looked at only where a generation alone does not match.
local function holdsAnother(id, state, expected)
  local generation, digest = string.match(expected, '^(%d+) (%x+)$')
  if not generation or generation ~= state.generation then return nil end
  return redis.sha1hex(redis.call('HGET', KEYS.records, id) or '') ~= digest
end

local held, told = {}, {}
for index = 4, #ARGV, 2 do
  local id, generation = ARGV[index], ARGV[index + 1]
  local text = redis.call('HGET', KEYS.states, id)
  local state = text and readState(text)
  local another = false
  local isSame = state and state.generation == generation
  if state and not isSame then
    another = holdsAnother(id, state, generation)
    isSame = another ~= nil
  end
  local holds = isSame and redis.call('HEXISTS', KEYS.records, id) == 1
  if holds and (by == 'heartbeat' or state.lease == by) then
    if state.lease ~= by then convert(id, state) end
    redis.call('ZADD', KEYS.leases, digits(now + state.ttl), id)
    -- A key of another type must not keep the lease from being extended.
    redis.pcall('HDEL', KEYS.meta, loanOf(id))
    told[#told + 1] = id
  end
  held[#held + 1] = not holds and 0 or another and 2 or 1
end
if #told > 0 then redis.call('PUBLISH', ARGV[1], digits(now) .. ' ' .. table.concat(told, ' ')) end
return held
