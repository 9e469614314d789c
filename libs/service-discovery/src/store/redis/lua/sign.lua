-- Stores newer signatures of registrations of one service, and publishes them.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation
-- @key changes stream of changes, and the channel on which they are published
-- @arg limit number: about how many changes the stream keeps
-- @args registrations text: for each lease its instance id, its generation, and the registration as JSON
-- @reply numbers: 1 for a lease that is held, 0 for one that is lost
-- @include time
-- @include state
-- @include announce
-- @include check
local held = {}
for index = 2, #ARGV, 3 do
  local id, generation, record = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  local text = redis.call('HGET', KEYS.states, id)
  local state = text and readState(text)
  local holds = state and state.generation == generation
  if holds then
    checkTypes(KEYS)
    local beat = tonumber(redis.call('ZSCORE', KEYS.leases, id) or now) - state.ttl
    announce(KEYS, ARGV[1], {
      'put', id, record, text, digits(beat), redis.call('HGET', KEYS.details, id) or '',
    })
    redis.call('HSET', KEYS.records, id, record)
  end
  held[#held + 1] = holds and 1 or 0
end
return held
