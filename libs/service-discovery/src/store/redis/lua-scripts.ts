/** Generated from the scripts in lua/ by `npm run generate:lua`: change them there. */

import { luaScript } from './lua-script.js';

/**
 * Notes that a checker of health is alive, and forgets those of which nothing was heard.
 * - key `checkers`: sorted set: checker id → until when it counts as alive
 * - argument `id`: of the checker
 * - argument `ttlMs`: for how long it counts as alive; 0: no longer
 * - reply: the ids of all that are alive
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
 * Gives one process the next sweep for expired leases. When nobody swept for a while, Redis or all processes stood
 * still, and heartbeats with them: then nothing expires until as much time has passed again.
 * Tells every process, too, how many there are.
 * - key `sweep`: hash: when the last sweep began, until when nothing expires, and when writes of a service were refused last
 * - argument `intervalMs`: the time between two sweeps
 * - argument `stallMs`: how much later than that a sweep may come before it shows a standstill
 * - argument `graceMs`: the most that expiry is held for
 * - argument `refusalMs`: for how long nothing of a service expires after writes of it were refused
 * - argument `processes`: the channel that every process listens to
 * - reply: 1 to sweep, 0 while another process does, -1 while expiry is held; until when it was held last; the number of processes; and the names of the services of which nothing expires
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
 * Takes out instances of one service whose leases have run out, those that ran out first before others; unless too many
 * miss their heartbeats at once: then expiry is held, which is told. Gives a lease to what has none, since Redis lost it.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → what changes about it
 * - key `details`: hash: instance id → what the last health check saw, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans; of a hold: since when, since when the share is low, what was told
 * - key `changes`: stream of changes; also the channel that they are told on
 * - argument `cap`: how many at most
 * - argument `limit`: about how many changes the stream keeps
 * - argument `share`: of the instances that may miss their heartbeats together
 * - argument `least`: fewer of them always expire
 * - argument `steadySince`: no heartbeat could arrive before, so what is held counts from then on
 * - reply: how many were taken out, how many are left, and whether Redis holds all parts of those: 1, or 0
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
 * Takes services out of the index that nobody used for a while.
 * - key `names`: sorted set: service name → when it was last used
 * - argument `idleMs`: for how long
 * - argument `names`: of services without instances
 * - reply: how many were taken out
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
 * Tells about which generation a registration made now would get.
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
 * Notes that Redis refused to be written to where the leases of services are: what runs out there is not taken out for a
 * while, since it could not be renewed.
 * - key `sweep`: hash: when the last sweep began, until when nothing expires, and when writes of a service were refused last
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
 * Writes nothing, and is refused whenever writes are: tells whether they are taken again.
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
 * Registers instances of one service, or replaces the registrations under their ids. One that comes back after its lease
 * was lost gives way to a registration that was made later than it was at first.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → what changes about it
 * - key `details`: hash: instance id → what the last health check saw, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes; also the channel that they are told on
 * - argument `limit`: about how many changes the stream keeps
 * - argument `registrations`: an instance id, the registration as JSON, how long the lease lives, what renews it, and where it comes back the generation that it had at first, else nothing, in turn
 * - reply: the generations of the leases, 0 for one that gave way
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
 * Ends a lease, unless a newer generation holds the id. Of a lease that Redis lost, readers are told that it has ended.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → what changes about it
 * - key `details`: hash: instance id → what the last health check saw, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes; also the channel that they are told on
 * - argument `id`: the instance id
 * - argument `generation`: of the lease
 * - argument `limit`: about how many changes the stream keeps
 * - reply: 1 when it was there, else 0
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
 * Extends leases of one service, and tells those who listen for renewals. A heartbeat extends any lease, and makes one that
 * checks keep a lease that heartbeats keep, which is told; checks leave a lease alone that heartbeats keep. A lease whose
 * record is gone, as where Redis evicts keys, is lost.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → what changes about it
 * - key `details`: hash: instance id → what the last health check saw, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes; also the channel that they are told on
 * - argument `channel`: where renewals are told
 * - argument `by`: heartbeat or checks
 * - argument `limit`: about how many changes the stream keeps
 * - argument `leases`: an instance id and the generation of its lease, in turn
 * - reply: 1 for a lease that is held, 0 for one that is lost
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

local held, told = {}, {}
for index = 4, #ARGV, 2 do
  local id, generation = ARGV[index], ARGV[index + 1]
  local text = redis.call('HGET', KEYS.states, id)
  local state = text and readState(text)
  local holds = state and state.generation == generation and redis.call('HEXISTS', KEYS.records, id) == 1
  if holds and (by == 'heartbeat' or state.lease == by) then
    if state.lease ~= by then convert(id, state) end
    redis.call('ZADD', KEYS.leases, digits(now + state.ttl), id)
    redis.pcall('HDEL', KEYS.meta, loanOf(id))
    told[#told + 1] = id
  end
  held[#held + 1] = holds and 1 or 0
end
if #told > 0 then redis.call('PUBLISH', ARGV[1], digits(now) .. ' ' .. table.concat(told, ' ')) end
return held`,
);

/**
 * Puts back what Redis lost of instances of one service, as a reader knows them that has seen every change; and tells of
 * it, for those that have read the service since.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → what changes about it
 * - key `details`: hash: instance id → what the last health check saw, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation, loans
 * - key `changes`: stream of changes; also the channel that they are told on
 * - argument `epoch`: that the reader knows
 * - argument `sequence`: of the last change that it knows
 * - argument `tag`: of that change
 * - argument `limit`: about how many changes the stream keeps
 * - argument `instances`: an instance id, its record, its state, and its detail or nothing, in turn
 * - reply: the sequence and the tag after it; nothing where the reader has not seen every change, and nothing was done
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
 * Sets the operator's word or the health of an instance. A health that stays is told only where its detail is news.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → what changes about it
 * - key `details`: hash: instance id → what the last health check saw, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation
 * - key `changes`: stream of changes; also the channel that they are told on
 * - argument `id`: the instance id
 * - argument `kind`: operator or health
 * - argument `status`: the new one; an operator's word may have a note behind it
 * - argument `detail`: what the health check saw, as JSON; empty for none
 * - argument `checkedAt`: when it looked, in milliseconds since the Unix epoch
 * - argument `print`: equal for details that differ only in their time and latency
 * - argument `silenceMs`: how old the told time may become while nothing else changes
 * - argument `limit`: about how many changes the stream keeps
 * - reply: 1 when there is such an instance, else 0
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
 * What a reader of one service lacks: nothing, the changes since the one that it knows, or everything.
 * - key `records`: hash: instance id → the registration as JSON
 * - key `states`: hash: instance id → what changes about it
 * - key `details`: hash: instance id → what the last health check saw, as JSON
 * - key `leases`: sorted set: instance id → when it expires
 * - key `meta`: hash: epoch, sequence, tag, generation
 * - key `changes`: stream of changes; also the channel that they are told on
 * - argument `epoch`: that the reader knows; empty for none
 * - argument `sequence`: of the last change that it knows
 * - argument `tag`: of that change
 * - argument `beats`: 1 to be told of heartbeats beside "same" and "changes"
 * - reply: epoch, sequence, tag, then "same", "changes", "all" or "forked" where the reader's history is not this one; what is new: nothing, change and tag in turn, or id, record, state, lease and detail of each instance in turn; beside "same" and "changes" the leases, as id and expiry in turn, beside "forked" the removals that are known; beside "all" and "forked" what there is to know of a hold: since when, how many are overdue, of how many; last, how many instances and details Redis holds, and whether that is all that it ever held and did not take out: 1, or 0
 */
export const sync = luaScript<
  'records' | 'states' | 'details' | 'leases' | 'meta' | 'changes',
  [epoch: string, sequence: number, tag: string, beats: number],
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
    and (held > 0 or sequence == 0 or redis.call('PTTL', KEYS.meta) >= 0)
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
if not forked then return { epoch, digits(sequence), tag, 'all', all, {}, hold, counts() } end
local removals = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS.changes, '-', '+')) do
  local text = entry[2][2]
  if string.sub(text, 1, 7) == 'remove\\n' then removals[#removals + 1] = text end
end
return { epoch, digits(sequence), tag, 'forked', all, removals, hold, counts() }`,
);

/**
 * Notes in the index that services are in use, and may tell of those that it had lost.
 * - key `names`: sorted set: service name → when it was last used
 * - argument `channel`: where every process hears of names that were not in the index; empty where they are new
 * - argument `names`: of the services
 * - reply: how many were not in the index before
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
