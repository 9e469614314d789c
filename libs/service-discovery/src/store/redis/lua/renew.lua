-- Extends leases of one service, and tells those who listen for heartbeats.
-- @key states hash: instance id → what changes about it
-- @key leases sorted set: instance id → when it expires
-- @arg channel text: where heartbeats are told
-- @args leases text: an instance id and the generation of its lease, in turn
-- @reply numbers: 1 for a lease that is held, 0 for one that is lost
-- @include time
-- @include state
local held, told = {}, {}
for index = 2, #ARGV, 2 do
  local id, generation = ARGV[index], ARGV[index + 1]
  local text = redis.call('HGET', KEYS.states, id)
  local state = text and readState(text)
  local holds = state and state.generation == generation
  if holds then
    redis.call('ZADD', KEYS.leases, digits(now + state.ttl), id)
    told[#told + 1] = id
  end
  held[#held + 1] = holds and 1 or 0
end
if #told > 0 then redis.call('PUBLISH', ARGV[1], digits(now) .. ' ' .. table.concat(told, ' ')) end
return held
