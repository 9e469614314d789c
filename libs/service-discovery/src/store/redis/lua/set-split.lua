-- Sets how the calls to one service are split, unless the split has changed since it was read.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, split, splitSignature
-- @key changes stream of changes, and the channel on which they are published
-- @arg split text: as JSON
-- @arg signature text: of the split; empty if it is not signed
-- @arg replaces text: the split that it was made from, as JSON; empty if there was none
-- @arg limit number: about how many changes the stream keeps
-- @reply list: nothing if it was set, else the split that Redis has, or an empty text, and its signature
-- @include time
-- @include announce
-- @include check
checkTypes(KEYS)
local known = redis.call('HMGET', KEYS.meta, 'split', 'splitSignature')
if (known[1] or '') ~= ARGV[3] then return { known[1] or '', known[2] or '' } end
announce(KEYS, ARGV[4], { 'split', '', ARGV[1], ARGV[2] })
redis.call('HSET', KEYS.meta, 'split', ARGV[1], 'splitSignature', ARGV[2])
-- Without instances, the metadata would otherwise be kept for a day only.
redis.call('PERSIST', KEYS.meta)
redis.call('PERSIST', KEYS.changes)
return {}
