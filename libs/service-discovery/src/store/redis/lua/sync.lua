-- Returns what a reader of one service is missing: nothing, the changes since its position, or everything.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, split, splitSignature
-- @key changes stream of changes, and the channel on which they are published
-- @arg epoch text: the epoch that the reader knows; empty if none
-- @arg sequence number: the last change that it knows
-- @arg tag text: the tag of that change
-- @arg beats number: 1 to include heartbeats with "same" and "changes"
-- @arg removals number: 1 to include the known removals with "all"
-- @reply list: epoch, sequence, tag; "same", "changes", "all", or "forked" if the reader has another history; the news:
--   nothing, or change and tag of each change, or id, record, state, lease and detail of each instance; with "same" and
--   "changes" id and expiry of each lease, with "forked", and if asked for with "all", the known removals; with "all"
--   and "forked" the hold: its start, how many are overdue, of how many; last, how many instances and details Redis
--   has, and whether that is everything that was registered and not removed: 1 or 0; with "all" and "forked" the split
--   as JSON, and its signature, each empty if there is none
-- @include time
local known = redis.call('HMGET', KEYS.meta, 'epoch', 'sequence', 'tag')
local epoch, sequence, tag = known[1] or '', tonumber(known[2]) or 0, known[3] or '-'
local from = tonumber(ARGV[2])
local forked = ARGV[1] ~= '' and (epoch ~= ARGV[1] or sequence < from)

local function leases()
  return ARGV[4] == '1' and redis.call('ZRANGE', KEYS.leases, 0, -1, 'WITHSCORES') or {}
end

local function counts()
  local records, states = redis.call('HLEN', KEYS.records), redis.call('HLEN', KEYS.states)
  local leases = redis.call('ZCARD', KEYS.leases)
  local held = math.min(records, states, leases)
  -- The metadata of an empty service has a TTL, unless its instances were lost or its calls are split.
  local isWhole = records == held and states == held and leases == held
    and (held > 0 or sequence == 0 or redis.call('PTTL', KEYS.meta) >= 0 or redis.call('HEXISTS', KEYS.meta, 'split') == 1)
  return { held, redis.call('HLEN', KEYS.details), isWhole and 1 or 0 }
end

if epoch ~= '' and epoch == ARGV[1] and not forked then
  if sequence == from and tag == ARGV[3] then return { epoch, digits(sequence), tag, 'same', {}, leases(), {}, counts() } end
  local entries = redis.call('XRANGE', KEYS.changes, digits(from) .. '-0', '+')
  local reaches = entries[1] and entries[1][1] == digits(from) .. '-0'
  forked = sequence == from or reaches and entries[1][2][4] ~= ARGV[3]
  if reaches and not forked and #entries == sequence - from + 1 then
    local news = {}
    for index = 2, #entries do
      news[2 * index - 3], news[2 * index - 2] = entries[index][2][2], entries[index][2][4]
    end
    return { epoch, digits(sequence), tag, 'changes', news, leases(), {}, counts() }
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
  if states[id] then
    all[count + 1], all[count + 2], all[count + 3] = id, records[index + 1], states[id]
    all[count + 4], all[count + 5] = expiries[id] or digits(now), details[id] or ''
  end
end
local hold = redis.call('HMGET', KEYS.meta, 'holdSince', 'holdOverdue', 'holdTotal')
if not hold[1] then hold = {} end
local removals = {}
if forked or ARGV[5] == '1' then
  for _, entry in ipairs(redis.call('XRANGE', KEYS.changes, '-', '+')) do
    local text = entry[2][2]
    if string.sub(text, 1, 7) == 'remove\n' then removals[#removals + 1] = text end
  end
end
local split = redis.call('HMGET', KEYS.meta, 'split', 'splitSignature')
return { epoch, digits(sequence), tag, forked and 'forked' or 'all', all, removals, hold, counts(),
  { split[1] or '', split[2] or '' } }
