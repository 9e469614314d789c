/** Generated from the scripts in lua/ by `npm run generate:lua`: change them there. */

import { luaScript } from './lua-call.js';

/**
 * Registers or renews a health checker, and removes checkers that have expired.
 * - key `checkers`: sorted set: checker id → when it expires
 * - argument `id`: of the checker
 * - argument `ttlMs`: the time until it expires; 0 to remove it
 * - reply: the ids of all checkers
 */
export const announceChecker = luaScript<'checkers', [id: string, ttlMs: number], readonly unknown[]>(
  'announce-checker',
  ['checkers'],
  `local KEYS = { checkers = KEYS[1] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
redis.call('ZADD', KEYS.checkers, digits(now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS.checkers, '-inf', digits(now))
return redis.call('ZRANGE', KEYS.checkers, 0, -1)`,
);

/**
 * Appends records to a capped stream. A record with a key is left out if one with this key was appended a moment ago, since
 * several processes report the same change.
 * - key `stream`: stream of records
 * - key `seen`: sorted set: key of a record → when it was appended
 * - argument `limit`: about how many records the stream keeps
 * - argument `windowMs`: how long a key counts as the same
 * - argument `expiryMs`: how long the stream stays without a new record
 * - argument `records`: key and record in turn; an empty key is never the same
 * - reply: how many were appended
 */
export const appendRecords = luaScript<
  'stream' | 'seen',
  [limit: number, windowMs: number, expiryMs: number, ...records: string[]],
  number
>(
  'append-records',
  ['stream', 'seen'],
  `local KEYS = { stream = KEYS[1], seen = KEYS[2] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local limit, window, expiry = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local appended = 0
for index = 4, #ARGV, 2 do
  local key, record = ARGV[index], ARGV[index + 1]
  local before = key ~= '' and tonumber(redis.call('ZSCORE', KEYS.seen, key))
  if not before or now - before >= window then
    redis.call('XADD', KEYS.stream, 'MAXLEN', '~', limit, '*', 'record', record)
    if key ~= '' then redis.call('ZADD', KEYS.seen, digits(now), key) end
    appended = appended + 1
  end
end
if appended > 0 then
  redis.call('PEXPIRE', KEYS.stream, expiry)
  redis.call('ZREMRANGEBYSCORE', KEYS.seen, '-inf', digits(now - window))
end
return appended`,
);

/**
 * Lets one process sweep for expired leases. If the last sweep is too long ago, Redis or all processes were stalled,
 * and heartbeats with them: nothing expires until the same time has passed again. Also returns the number of processes.
 * - key `sweep`: hash: when the last sweep began, until when nothing expires, and when writes of a service were last refused
 * - argument `intervalMs`: the time between two sweeps
 * - argument `stallMs`: how late a sweep may be before it counts as a stall
 * - argument `graceMs`: the longest that expiry is held after a stall
 * - argument `refusalMs`: how long nothing of a service expires after its writes were refused
 * - argument `processes`: the channel that every process subscribes to
 * - reply: 1 to sweep, 0 if another process sweeps, -1 while expiry is held; the end of the last hold; the number of processes; and the names of the services of which nothing expires
 */
export const beginSweep = luaScript<
  'sweep',
  [intervalMs: number, stallMs: number, graceMs: number, refusalMs: number, processes: string],
  readonly unknown[]
>(
  'begin-sweep',
  ['sweep'],
  `local KEYS = { sweep = KEYS[1] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local interval, stall, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = tonumber(ARGV[4])
local listening = redis.pcall('PUBSUB', 'NUMSUB', ARGV[5])
local processes = tonumber(listening[2]) or 0
local known = redis.call('HMGET', KEYS.sweep, 'at', 'heldUntil')
local at, heldUntil = tonumber(known[1]), tonumber(known[2]) or 0
if at and now >= at and now - at < interval then return { 0, heldUntil, processes } end
redis.call('HSET', KEYS.sweep, 'at', digits(now))
if at and now - at > interval + stall then
  heldUntil = now + math.min(now - at, grace)
  redis.call('HSET', KEYS.sweep, 'heldUntil', digits(heldUntil))
end
local reply = { now < heldUntil and -1 or 1, heldUntil, processes }
local fields = redis.call('HLEN', KEYS.sweep) > 2 and redis.call('HGETALL', KEYS.sweep) or {}
for index = 1, #fields, 2 do
  local name = string.match(fields[index], '^refused (.*)$')
  if name and tonumber(fields[index + 1]) <= now - refusal then
    redis.call('HDEL', KEYS.sweep, fields[index])
  elseif name then
    reply[#reply + 1] = name
  end
end
return reply`,
);

/**
 * Removes instances of one service whose leases have expired, oldest first. If too many miss their heartbeats at once,
 * expiry is held instead, which is published. Gives a lease to instances whose lease Redis has lost.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans; of a hold: its start, when the share became low, what was published
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `cap`: the most instances to remove
 * - argument `limit`: about how many changes the stream keeps
 * - argument `share`: the share of instances that may miss their heartbeats together
 * - argument `least`: fewer instances than this always expire
 * - argument `steadySince`: no heartbeat could arrive before, so holds count from then on
 * - reply: how many were removed, how many are left, and whether Redis has all parts of those: 1 or 0
 */
export const expire = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [cap: number, limit: number, share: number, least: number, steadySince: number],
  readonly number[]
>(
  'expire',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function loanOf(id)
  return 'loan ' .. id
end

local function lend(keys, id, ttl)
  local ends = tonumber(redis.call('HGET', keys.meta, loanOf(id)))
  if not ends then
    ends = now + ttl
    redis.call('HSET', keys.meta, loanOf(id), digits(ends))
  end
  redis.call('ZADD', keys.leases, digits(ends), id)
  return ends
end
local function keepForADay(keys)
  if redis.call('ZCARD', keys.leases) > 0 then return end
  if redis.call('HLEN', keys.states) > 0 or redis.call('HLEN', keys.records) > 0 then return end
  if redis.call('HEXISTS', keys.meta, 'split') == 1 then return end
  redis.call('PEXPIRE', keys.meta, 86400000)
  redis.call('PEXPIRE', keys.changes, 86400000)
end

local function take(keys, id)
  redis.call('HDEL', keys.records, id)
  redis.call('HDEL', keys.states, id)
  redis.call('HDEL', keys.details, id)
  redis.call('ZREM', keys.leases, id)
  redis.call('HDEL', keys.meta, loanOf(id))
end

local function drop(keys, limit, id, reason)
  local generation = string.match(redis.call('HGET', keys.states, id) or '', '^%d+') or '0'
  take(keys, id)
  announce(keys, limit, { 'remove', id, reason, generation })
  keepForADay(keys)
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
local cap, limit = ARGV[1], ARGV[2]

redis.call('ZADD', KEYS.leases, 'XX', 0, '')

local share, least, steadySince = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local known = redis.call('HMGET', KEYS.meta, 'holdSince', 'holdCalm', 'holdOverdue', 'released')
local since, calm, told, released = tonumber(known[1]), tonumber(known[2]), tonumber(known[3]), tonumber(known[4]) or 0

local function open()
  return '(' .. digits(released)
end
local function ttlOf(id)
  local text = redis.call('HGET', KEYS.states, id)
  local state = text and readState(text)
  return state and state.ttl or 0
end
local function overdueAmong(start, count)
  local looked, late = math.min(count, 100), 0
  for index = 0, looked - 1 do
    local rank = start + math.floor(index * count / looked)
    local lease = redis.call('ZRANGE', KEYS.leases, rank, rank, 'WITHSCORES')
    if tonumber(lease[2]) - now <= ttlOf(lease[1]) / 3 then late = late + 1 end
  end
  return math.floor(count * late / looked + 0.5)
end

local function lendEach(ids)
  checkTypes(KEYS)
  for _, id in ipairs(ids) do
    local ttl = ttlOf(id)
    if ttl == 0 then ttl = 60000 end
    if not redis.call('ZSCORE', KEYS.leases, id) then lend(KEYS, id, ttl) end
  end
end
if redis.call('HLEN', KEYS.states) > redis.call('ZCARD', KEYS.leases) then lendEach(redis.call('HKEYS', KEYS.states)) end
if redis.call('HLEN', KEYS.records) > redis.call('ZCARD', KEYS.leases) then lendEach(redis.call('HKEYS', KEYS.records)) end

local first = redis.call('ZRANGEBYSCORE', KEYS.leases, open(), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local takeUpTo = now
if since or first[1] and tonumber(first[2]) <= now then
  checkTypes(KEYS)
  local lease = first[1] and ttlOf(first[1]) or 0
  if since and math.max(since, steadySince) + lease <= now and now - lease > released then
    released = now - lease
    redis.call('HSET', KEYS.meta, 'released', digits(released))
  end
  local total = redis.call('ZCOUNT', KEYS.leases, open(), '+inf')
  local expired = redis.call('ZCOUNT', KEYS.leases, open(), digits(now))
  local soon = digits(now + lease / 3)
  local overdue = redis.call('ZCOUNT', KEYS.leases, open(), soon)
  local function isTooMany()
    return overdue >= least and overdue > share * total
  end
  if isTooMany() then overdue = overdueAmong(redis.call('ZCARD', KEYS.leases) - total, overdue) end

  if since or isTooMany() and expired > 0 then
    calm = not isTooMany() and (calm or now) or nil
    if calm and (expired == 0 or now - math.max(calm, steadySince) >= lease / 3) then
      redis.call('HDEL', KEYS.meta, 'holdSince', 'holdCalm', 'holdOverdue', 'holdTotal')
      redis.call('HSET', KEYS.meta, 'released', digits(now))
      announce(KEYS, limit, { 'resume', '' })
    else
      takeUpTo = math.min(released, now)
      local calmText = calm and digits(calm) or ''
      if calmText ~= (known[2] or '') then redis.call('HSET', KEYS.meta, 'holdCalm', calmText) end
      if not since or math.abs(overdue - told) >= total / 10 then
        since = since or now
        redis.call('HSET', KEYS.meta, 'holdSince', digits(since))
        redis.call('HSET', KEYS.meta, 'holdOverdue', digits(overdue), 'holdTotal', digits(total))
        announce(KEYS, limit, { 'hold', '', digits(since), digits(overdue), digits(total) })
      end
    end
  end
end

local expired = redis.call('ZRANGEBYSCORE', KEYS.leases, '-inf', digits(takeUpTo), 'LIMIT', 0, cap)
if #expired > 0 then checkTypes(KEYS) end
for _, id in ipairs(expired) do
  drop(KEYS, limit, id, 'expired')
end
local left = redis.call('ZCARD', KEYS.leases)
if left > 0 and redis.call('HEXISTS', KEYS.meta, 'epoch') == 0 then beginEpoch(KEYS) end
if left > 0 and redis.call('PTTL', KEYS.meta) >= 0 then
  redis.call('PERSIST', KEYS.meta)
  redis.call('PERSIST', KEYS.changes)
end
if left == 0 and redis.call('HLEN', KEYS.details) > 0 then redis.call('DEL', KEYS.details) end
local isWhole = redis.call('HLEN', KEYS.states) == left and redis.call('HLEN', KEYS.records) == left
return { #expired, left, isWhole and 1 or 0 }`,
);

/**
 * Removes services from the index that have not been used for a while.
 * - key `names`: sorted set: service name → when it was last used
 * - argument `idleMs`: for how long
 * - argument `names`: of services without instances
 * - reply: how many were removed
 */
export const forgetNames = luaScript<'names', [idleMs: number, ...names: string[]], number>(
  'forget-names',
  ['names'],
  `local KEYS = { names = KEYS[1] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local removed = 0
for index = 2, #ARGV do
  local usedAt = tonumber(redis.call('ZSCORE', KEYS.names, ARGV[index]) or now)
  if usedAt <= now - tonumber(ARGV[1]) then removed = removed + redis.call('ZREM', KEYS.names, ARGV[index]) end
end
return removed`,
);

/**
 * Returns the approximate generation that a registration made now would get.
 * - key `names`: sorted set: service name → when it was last used
 * - reply: in microseconds since the Unix epoch
 */
export const generationNow = luaScript<'names', [], number>(
  'generation-now',
  ['names'],
  `local KEYS = { names = KEYS[1] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
return digits(micros)`,
);

/**
 * The names of the services that are in use.
 * - key `names`: sorted set: service name → when it was last used
 * - reply: the names
 */
export const listNames = luaScript<'names', [], readonly unknown[]>(
  'list-names',
  ['names'],
  `local KEYS = { names = KEYS[1] }
return redis.call('ZRANGE', KEYS.names, 0, -1)`,
);

/**
 * Records that Redis refused writes for services. Their leases cannot be renewed, so nothing of them expires for a
 * while.
 * - key `sweep`: hash: when the last sweep began, until when nothing expires, and when writes of a service were last refused
 * - argument `names`: of the services
 * - reply: 1
 */
export const noteRefusals = luaScript<'sweep', [...names: string[]], number>(
  'note-refusals',
  ['sweep'],
  `local KEYS = { sweep = KEYS[1] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
for index = 1, #ARGV do redis.call('HSET', KEYS.sweep, 'refused ' .. ARGV[index], digits(now)) end
return 1`,
);

/**
 * Changes nothing, but fails while writes are refused: shows whether they are accepted again.
 * - key `leases`: sorted set: instance id → when it expires
 * - reply: 0
 */
export const probeWrite = luaScript<'leases', [], number>(
  'probe-write',
  ['leases'],
  `local KEYS = { leases = KEYS[1] }
return redis.call('ZADD', KEYS.leases, 'XX', 0, '')`,
);

/**
 * Registers instances of one service, replacing registrations of the same ids. A recovered registration gives way to
 * one that was made after its original registration.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `limit`: about how many changes the stream keeps
 * - argument `registrations`: for each instance its id, the registration as JSON, the length of the lease, what renews it, and for a recovery the original generation, else an empty text
 * - reply: the generations of the leases, 0 for a registration that gave way
 */
export const put = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [limit: number, ...registrations: string[]],
  readonly unknown[]
>(
  'put',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function loanOf(id)
  return 'loan ' .. id
end

local function lend(keys, id, ttl)
  local ends = tonumber(redis.call('HGET', keys.meta, loanOf(id)))
  if not ends then
    ends = now + ttl
    redis.call('HSET', keys.meta, loanOf(id), digits(ends))
  end
  redis.call('ZADD', keys.leases, digits(ends), id)
  return ends
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
local ids = {}
for index = 2, #ARGV, 5 do ids[#ids + 1] = ARGV[index] end

checkTypes(KEYS)
local wasEmpty = redis.call('ZCARD', KEYS.leases) == 0
local known = redis.call('HMGET', KEYS.states, unpack(ids))
local meta = redis.call('HMGET', KEYS.meta, 'epoch', 'sequence', 'tag', 'generation')

local epoch, tag = meta[1], meta[3] or '-'
local sequence = tonumber(meta[2]) or 0
local generation = math.max(micros, (tonumber(meta[4]) or 0) + 1 + micros % 1000) - 1

local at = digits(now)
local records, states, leases, registered, generations, current = {}, {}, {}, {}, {}, {}
for index, id in ipairs(ids) do
  local record, ttl = ARGV[5 * index - 2], tonumber(ARGV[5 * index - 1])
  local lease, claim = ARGV[5 * index], ARGV[5 * index + 1]
  local before = current[id] or known[index]
  local previous = before and readState(before)
  if claim ~= '' and previous and tonumber(previous.claim) > tonumber(claim) then
    generations[index] = '0'
  else
    if not epoch then
      epoch, tag = beginEpoch(KEYS), '-'
      sequence = tonumber(redis.call('HGET', KEYS.meta, 'sequence'))
    end
    sequence, generation = sequence + 1, generation + 1
    local number, own = digits(sequence), digits(generation)
    local text = writeState({
      generation = own,
      ttl = ttl,
      order = previous and previous.order or number,
      registeredAt = at,
      operator = previous and string.match(previous.operator, '^maintenance') and previous.operator or 'up',
      health = 'unknown',
      announcedAt = 0,
      announced = '-',
      claim = claim ~= '' and claim or own,
      lease = lease,
    })
    tag = tell(KEYS.changes, ARGV[1], epoch, number, tag, { 'put', id, record, text, at, '' })
    generations[index], current[id] = own, text
    records[#records + 1], records[#records + 2] = id, record
    states[#states + 1], states[#states + 2] = id, text
    leases[#leases + 1], leases[#leases + 2] = digits(now + ttl), id
    registered[#registered + 1] = id
  end
end
if #records == 0 then return generations end

redis.call('HSET', KEYS.meta, 'sequence', digits(sequence), 'tag', tag, 'generation', digits(generation))
redis.call('HSET', KEYS.records, unpack(records))
redis.call('HSET', KEYS.states, unpack(states))
redis.call('ZADD', KEYS.leases, unpack(leases))
redis.call('HDEL', KEYS.details, unpack(registered))
for _, id in ipairs(registered) do redis.call('HDEL', KEYS.meta, loanOf(id)) end
if wasEmpty then
  redis.call('PERSIST', KEYS.meta)
  redis.call('PERSIST', KEYS.changes)
end
return generations`,
);

/**
 * Returns what holds an instance id.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - argument `id`: the instance id
 * - reply: the registration as JSON and the state, each empty if there is none
 */
export const readHolder = luaScript<'records' | 'states', [id: string], readonly unknown[]>(
  'read-holder',
  ['records', 'states'],
  `local KEYS = { records = KEYS[1], states = KEYS[2] }
return { redis.call('HGET', KEYS.records, ARGV[1]) or '', redis.call('HGET', KEYS.states, ARGV[1]) or '' }`,
);

/**
 * Reads records of a capped stream, the oldest first.
 * - key `stream`: stream of records
 * - argument `from`: the first id that is read
 * - argument `most`: how many are read
 * - reply: id and record in turn
 */
export const readRecords = luaScript<'stream', [from: string, most: number], readonly unknown[]>(
  'read-records',
  ['stream'],
  `local KEYS = { stream = KEYS[1] }
local entries = redis.call('XRANGE', KEYS.stream, ARGV[1], '+', 'COUNT', ARGV[2])
local reply = {}
for _, entry in ipairs(entries) do
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = entry[2][2]
end
return reply`,
);

/**
 * Removes a lease, unless a newer generation holds the id. The end of a lease that Redis lost is published too.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `id`: the instance id
 * - argument `generation`: of the lease
 * - argument `limit`: about how many changes the stream keeps
 * - reply: 1 if it was there, else 0
 */
export const remove = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [id: string, generation: string, limit: number],
  number
>(
  'remove',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function loanOf(id)
  return 'loan ' .. id
end

local function lend(keys, id, ttl)
  local ends = tonumber(redis.call('HGET', keys.meta, loanOf(id)))
  if not ends then
    ends = now + ttl
    redis.call('HSET', keys.meta, loanOf(id), digits(ends))
  end
  redis.call('ZADD', keys.leases, digits(ends), id)
  return ends
end
local function keepForADay(keys)
  if redis.call('ZCARD', keys.leases) > 0 then return end
  if redis.call('HLEN', keys.states) > 0 or redis.call('HLEN', keys.records) > 0 then return end
  if redis.call('HEXISTS', keys.meta, 'split') == 1 then return end
  redis.call('PEXPIRE', keys.meta, 86400000)
  redis.call('PEXPIRE', keys.changes, 86400000)
end

local function take(keys, id)
  redis.call('HDEL', keys.records, id)
  redis.call('HDEL', keys.states, id)
  redis.call('HDEL', keys.details, id)
  redis.call('ZREM', keys.leases, id)
  redis.call('HDEL', keys.meta, loanOf(id))
end

local function drop(keys, limit, id, reason)
  local generation = string.match(redis.call('HGET', keys.states, id) or '', '^%d+') or '0'
  take(keys, id)
  announce(keys, limit, { 'remove', id, reason, generation })
  keepForADay(keys)
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
local id, generation, limit = ARGV[1], ARGV[2], ARGV[3]
local text = redis.call('HGET', KEYS.states, id)
local state = text and readState(text)
if state and state.generation == generation then
  checkTypes(KEYS)
  drop(KEYS, limit, id, 'deregistered')
  return 1
end
if text then return 0 end
local isLeft = redis.call('ZSCORE', KEYS.leases, id) or redis.call('HEXISTS', KEYS.records, id) == 1
local known = redis.call('HMGET', KEYS.meta, 'epoch', 'generation')
local began, last = tonumber(known[1]), tonumber(known[2]) or 0
local isLost = isLeft or not began or tonumber(generation) < began or tonumber(generation) > last
if isLost then
  checkTypes(KEYS)
  take(KEYS, id)
  announce(KEYS, limit, { 'remove', id, 'deregistered', generation })
  keepForADay(KEYS)
end
return isLeft and 1 or 0`,
);

/**
 * Extends leases of one service, and publishes the renewals. A heartbeat extends any lease and turns a checked lease
 * into one kept by heartbeats, which is published; checks do not extend a lease kept by heartbeats. A lease without its
 * record, for example after an eviction, is lost.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `channel`: where renewals are published
 * - argument `by`: heartbeat or checks
 * - argument `limit`: about how many changes the stream keeps
 * - argument `leases`: for each lease its instance id and its generation, which a space and the SHA-1 of its record may follow
 * - reply: 1 for a lease that is held, 0 for one that is lost, 2 for one that is held with another record
 */
export const renew = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [channel: string, by: string, limit: number, ...leases: string[]],
  readonly number[]
>(
  'renew',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function loanOf(id)
  return 'loan ' .. id
end

local function lend(keys, id, ttl)
  local ends = tonumber(redis.call('HGET', keys.meta, loanOf(id)))
  if not ends then
    ends = now + ttl
    redis.call('HSET', keys.meta, loanOf(id), digits(ends))
  end
  redis.call('ZADD', keys.leases, digits(ends), id)
  return ends
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
local by = ARGV[2]
local function convert(id, state)
  checkTypes(KEYS)
  state.lease = by
  local text = writeState(state)
  local record, detail = redis.call('HGET', KEYS.records, id), redis.call('HGET', KEYS.details, id) or ''
  announce(KEYS, ARGV[3], { 'put', id, record, text, digits(now), detail })
  redis.call('HSET', KEYS.states, id, text)
end

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
    redis.pcall('HDEL', KEYS.meta, loanOf(id))
    told[#told + 1] = id
  end
  held[#held + 1] = not holds and 0 or another and 2 or 1
end
if #told > 0 then redis.call('PUBLISH', ARGV[1], digits(now) .. ' ' .. table.concat(told, ' ')) end
return held`,
);

/**
 * Restores what Redis lost of instances of one service from a reader that has seen every change, and publishes it for
 * readers that have read the service since the loss.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `epoch`: the epoch that the reader knows
 * - argument `sequence`: the last change that it knows
 * - argument `tag`: the tag of that change
 * - argument `limit`: about how many changes the stream keeps
 * - argument `instances`: for each instance its id, record, state, and detail or an empty text
 * - reply: the new sequence and tag; empty if the reader has not seen every change, and nothing was restored
 */
export const restore = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [epoch: string, sequence: number, tag: string, limit: number, ...instances: string[]],
  readonly unknown[]
>(
  'restore',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function loanOf(id)
  return 'loan ' .. id
end

local function lend(keys, id, ttl)
  local ends = tonumber(redis.call('HGET', keys.meta, loanOf(id)))
  if not ends then
    ends = now + ttl
    redis.call('HSET', keys.meta, loanOf(id), digits(ends))
  end
  redis.call('ZADD', keys.leases, digits(ends), id)
  return ends
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
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
return redis.call('HMGET', KEYS.meta, 'sequence', 'tag')`,
);

/**
 * Sets how the calls to one service are split, unless the split has changed since it was read.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, split, splitSignature
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `split`: as JSON
 * - argument `signature`: of the split; empty if it is not signed
 * - argument `replaces`: the split that it was made from, as JSON; empty if there was none
 * - argument `limit`: about how many changes the stream keeps
 * - reply: nothing if it was set, else the split that Redis has, or an empty text, and its signature
 */
export const setSplit = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [split: string, signature: string, replaces: string, limit: number],
  readonly unknown[]
>(
  'set-split',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
checkTypes(KEYS)
local known = redis.call('HMGET', KEYS.meta, 'split', 'splitSignature')
if (known[1] or '') ~= ARGV[3] then return { known[1] or '', known[2] or '' } end
announce(KEYS, ARGV[4], { 'split', '', ARGV[1], ARGV[2] })
redis.call('HSET', KEYS.meta, 'split', ARGV[1], 'splitSignature', ARGV[2])
redis.call('PERSIST', KEYS.meta)
redis.call('PERSIST', KEYS.changes)
return {}`,
);

/**
 * Sets the operator status or the health of an instance. An unchanged health is published only if its detail is news.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `id`: the instance id
 * - argument `kind`: operator or health
 * - argument `status`: the new one; an operator status may include a note
 * - argument `detail`: the detail of the health check, as JSON; empty if there is none
 * - argument `checkedAt`: the time of the check, in milliseconds since the Unix epoch
 * - argument `print`: equal for details that differ only in time and latency
 * - argument `silenceMs`: how long an otherwise unchanged detail is not published
 * - argument `limit`: about how many changes the stream keeps
 * - reply: 1 if there is such an instance, else 0
 */
export const setStatus = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [
    id: string,
    kind: string,
    status: string,
    detail: string,
    checkedAt: number,
    print: string,
    silenceMs: number,
    limit: number,
  ],
  number
>(
  'set-status',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
local id, kind, status, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local checkedAt, print, silence, limit = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), ARGV[8]
local text = redis.call('HGET', KEYS.states, id)
local state = text and readState(text)
local record = redis.call('HGET', KEYS.records, id)
if not state or not record then return 0 end
checkTypes(KEYS)

local news
if kind == 'operator' then
  news = state.operator ~= status
  state.operator = status
else
  local changed = state.health ~= status
  local has = detail ~= ''
  local wasMissing = false
  state.health = status
  if has then
    wasMissing = redis.call('HSET', KEYS.details, id, detail) == 1
  elseif changed then
    redis.call('HDEL', KEYS.details, id)
  end
  news = changed or has and (wasMissing or state.announced ~= print or checkedAt - state.announcedAt >= silence)
  if news then
    state.announcedAt = has and checkedAt or 0
    state.announced = has and print or '-'
  end
end
if not news then return 1 end

text = writeState(state)
local beat = tonumber(redis.call('ZSCORE', KEYS.leases, id) or now) - state.ttl
announce(KEYS, limit, {
  'put', id, record, text, digits(beat), redis.call('HGET', KEYS.details, id) or '',
})
redis.call('HSET', KEYS.states, id, text)
return 1`,
);

/**
 * Stores newer signatures of registrations of one service, and publishes them.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `limit`: about how many changes the stream keeps
 * - argument `registrations`: for each lease its instance id, its generation, and the registration as JSON
 * - reply: 1 for a lease that is held, 0 for one that is lost
 */
export const sign = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [limit: number, ...registrations: string[]],
  readonly number[]
>(
  'sign',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
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
return held`,
);

/**
 * Returns what a reader of one service is missing: nothing, the changes since its position, or everything.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → its state, see lib/state.lua
 * - key `details`: hash: instance id → the detail of its last health check, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, split, splitSignature
 * - key `changes`: stream of changes, and the channel on which they are published
 * - argument `epoch`: the epoch that the reader knows; empty if none
 * - argument `sequence`: the last change that it knows
 * - argument `tag`: the tag of that change
 * - argument `beats`: 1 to include heartbeats with "same" and "changes"
 * - argument `removals`: 1 to include the known removals with "all"
 * - reply: epoch, sequence, tag; "same", "changes", "all", or "forked" if the reader has another history; the news: nothing, or change and tag of each change, or id, record, state, lease and detail of each instance; with "same" and "changes" id and expiry of each lease, with "forked", and if asked for with "all", the known removals; with "all" and "forked" the hold: its start, how many are overdue, of how many; last, how many instances and details Redis has, and whether that is everything that was registered and not removed: 1 or 0; with "all" and "forked" the split as JSON, and its signature, each empty if there is none
 */
export const sync = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [epoch: string, sequence: number, tag: string, beats: number, removals: number],
  readonly unknown[]
>(
  'sync',
  ['records', 'states', 'details', 'leases', 'meta', 'changes'],
  `local KEYS = { records = KEYS[1], states = KEYS[2], details = KEYS[3], leases = KEYS[4], meta = KEYS[5], changes = KEYS[6] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
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
    if string.sub(text, 1, 7) == 'remove\\n' then removals[#removals + 1] = text end
  end
end
local split = redis.call('HMGET', KEYS.meta, 'split', 'splitSignature')
return { epoch, digits(sequence), tag, forked and 'forked' or 'all', all, removals, hold, counts(),
  { split[1] or '', split[2] or '' } }`,
);

/**
 * Records in the index that services are in use, and may publish the names that the index had lost.
 * - key `names`: sorted set: service name → when it was last used
 * - argument `channel`: where names that were not in the index are published; empty for new registrations
 * - argument `names`: of the services
 * - reply: how many were not in the index
 */
export const touchNames = luaScript<'names', [channel: string, ...names: string[]], number>(
  'touch-names',
  ['names'],
  `local KEYS = { names = KEYS[1] }
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

local function digits(number)
  return string.format('%.0f', number)
end
local added = {}
for index = 2, #ARGV do
  if redis.call('ZADD', KEYS.names, digits(now), ARGV[index]) == 1 then added[#added + 1] = ARGV[index] end
end
if ARGV[1] ~= '' and #added > 0 then redis.call('PUBLISH', ARGV[1], table.concat(added, ' ')) end
return #added`,
);
