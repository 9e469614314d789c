-- Ends a lease, unless a newer generation holds the id. Of a lease that Redis lost, readers are told that it has ended.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → what changes about it
-- @key details hash: instance id → what the last health check saw, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, loans
-- @key changes stream of changes; also the channel that they are told on
-- @arg id text: the instance id
-- @arg generation text: of the lease
-- @arg limit number: about how many changes the stream keeps
-- @reply number: 1 when it was there, else 0
-- @include time
-- @include state
-- @include announce
-- @include lend
-- @include drop
-- @include check
local id, generation, limit = ARGV[1], ARGV[2], ARGV[3]
local text = redis.call('HGET', KEYS.states, id)
local state = text and readState(text)
if state and state.generation == generation then
  checkTypes(KEYS)
  drop(KEYS, limit, id, 'deregistered')
  return 1
end
if text then return 0 end
-- Where Redis lost the state alone, what is left goes, too: no lease of it can be held.
local isLeft = redis.call('ZSCORE', KEYS.leases, id) or redis.call('HEXISTS', KEYS.records, id) == 1
-- A lease that is older than all that Redis knows of the service, or newer, is one that Redis lost. Readers keep what was
-- lost until it is registered again, so they have to be told that it will not be.
local known = redis.call('HMGET', KEYS.meta, 'epoch', 'generation')
local began, last = tonumber(known[1]), tonumber(known[2]) or 0
local isLost = isLeft or not began or tonumber(generation) < began or tonumber(generation) > last
if isLost then
  checkTypes(KEYS)
  take(KEYS, id)
  announce(KEYS, limit, { 'remove', id, 'deregistered', generation })
  keepForADay(KEYS)
end
return isLeft and 1 or 0
