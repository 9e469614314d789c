-- What a reader of one service lacks: nothing, the changes since the one that it knows, or everything.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → what changes about it
-- @key details hash: instance id → what the last health check saw, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, generation
-- @key changes stream of changes; also the channel that they are told on
-- @arg epoch text: that the reader knows; empty for none
-- @arg sequence number: of the last change that it knows
-- @arg beats number: 1 to be told of heartbeats beside "same" and "changes"
-- @reply list: epoch, sequence, then "same" with the leases, "changes" with the changes and the leases, or "all" with
--   id, record, state, lease and detail of each instance in turn; leases as id and expiry in turn; with "all" also what
--   there is to know of a hold: since when, how many are overdue, of how many
-- @include time
local known = redis.call('HMGET', KEYS.meta, 'epoch', 'sequence')
local epoch, sequence = known[1] or '', tonumber(known[2]) or 0
local from = tonumber(ARGV[2])

local function leases()
  return ARGV[3] == '1' and redis.call('ZRANGE', KEYS.leases, 0, -1, 'WITHSCORES') or {}
end

if epoch ~= '' and epoch == ARGV[1] then
  if sequence == from then return { epoch, digits(sequence), 'same', {}, leases() } end
  local entries = redis.call('XRANGE', KEYS.changes, digits(from + 1) .. '-0', '+')
  if #entries == sequence - from then
    local texts = {}
    for index, entry in ipairs(entries) do texts[index] = entry[2][2] end
    return { epoch, digits(sequence), 'changes', texts, leases() }
  end
end

local states, details = {}, {}
local function intoTable(flat, target)
  for index = 1, #flat, 2 do target[flat[index]] = flat[index + 1] end
end
intoTable(redis.call('HGETALL', KEYS.states), states)
intoTable(redis.call('HGETALL', KEYS.details), details)
local expiries = {}
intoTable(redis.call('ZRANGE', KEYS.leases, 0, -1, 'WITHSCORES'), expiries)
local all = {}
local records = redis.call('HGETALL', KEYS.records)
for index = 1, #records, 2 do
  local id = records[index]
  local count = #all
  all[count + 1], all[count + 2], all[count + 3] = id, records[index + 1], states[id] or ''
  all[count + 4], all[count + 5] = expiries[id] or '0', details[id] or ''
end
local hold = redis.call('HMGET', KEYS.meta, 'holdSince', 'holdOverdue', 'holdTotal')
return { epoch, digits(sequence), 'all', all, {}, hold[1] and hold or {} }
