-- Removes a lease, unless a newer generation holds the id. The end of a lease that Redis lost is published too.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, loans
-- @key changes stream of changes, and the channel on which they are published
-- @arg id text: the instance id
-- @arg generation text: of the lease
-- @arg limit number: about how many changes the stream keeps
-- @reply number: 1 if it was there, else 0
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
-- If Redis lost only the state, the rest is removed too, since its lease cannot be verified.
local isLeft = redis.call('ZSCORE', KEYS.leases, id) or redis.call('HEXISTS', KEYS.records, id) == 1
-- The generation is older or newer than everything Redis knows of the service, so Redis lost the lease. Readers keep
-- lost instances until they register again, so they have to learn that this one will not.
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
