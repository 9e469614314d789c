-- Ends a lease, unless a newer generation holds the id.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → what changes about it
-- @key details hash: instance id → what the last health check saw, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation
-- @key changes stream of changes; also the channel that they are told on
-- @arg id text: the instance id
-- @arg generation text: of the lease
-- @arg limit number: about how many changes the stream keeps
-- @reply number: 1 when it was there, else 0
-- @include time
-- @include state
-- @include announce
-- @include drop
-- @include check
local text = redis.call('HGET', KEYS.states, ARGV[1])
local state = text and readState(text)
if not state or state.generation ~= ARGV[2] then return 0 end
checkTypes(KEYS)
drop(KEYS, ARGV[3], ARGV[1], 'deregistered')
return 1
