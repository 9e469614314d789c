-- Restores what Redis lost of instances of one service from a reader that has seen every change, and publishes it for
-- readers that have read the service since the loss.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, loans
-- @key changes stream of changes, and the channel on which they are published
-- @arg epoch text: the epoch that the reader knows
-- @arg sequence number: the last change that it knows
-- @arg tag text: the tag of that change
-- @arg limit number: about how many changes the stream keeps
-- @args instances text: for each instance its id, record, state, and detail or an empty text
-- @reply list: the new sequence and tag; empty if the reader has not seen every change, and nothing was restored
-- @include time
-- @include state
-- @include announce
-- @include lend
-- @include check
local known = redis.call('HMGET', KEYS.meta, 'epoch', 'sequence', 'tag')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] or known[3] ~= ARGV[3] then return {} end
checkTypes(KEYS)
for index = 5, #ARGV, 4 do
  local id, detail = ARGV[index], ARGV[index + 3]
  local restored = redis.call('HSETNX', KEYS.records, id, ARGV[index + 1])
  restored = restored + redis.call('HSETNX', KEYS.states, id, ARGV[index + 2])
  if detail ~= '' then restored = restored + redis.call('HSETNX', KEYS.details, id, detail) end
  local text = redis.call('HGET', KEYS.states, id)
  local state = readState(text)
  local ends = tonumber(redis.call('ZSCORE', KEYS.leases, id))
  if not ends then
    restored, ends = restored + 1, lend(KEYS, id, state.ttl)
  end
  if restored > 0 then
    local record, seen = redis.call('HGET', KEYS.records, id), redis.call('HGET', KEYS.details, id) or ''
    announce(KEYS, ARGV[4], { 'put', id, record, text, digits(ends - state.ttl), seen })
  end
end
return redis.call('HMGET', KEYS.meta, 'sequence', 'tag')
