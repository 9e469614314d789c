-- Removes instances of one service whose leases have expired, oldest first. If too many miss their heartbeats at once,
-- expiry is held instead, which is published. Gives a lease to instances whose lease Redis has lost.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation, loans; of a hold: its start, when the share became low, what was
--   published
-- @key changes stream of changes, and the channel on which they are published
-- @arg cap number: the most instances to remove
-- @arg limit number: about how many changes the stream keeps
-- @arg share number: the share of instances that may miss their heartbeats together
-- @arg least number: fewer instances than this always expire
-- @arg steadySince number: no heartbeat could arrive before, so holds count from then on
-- @reply numbers: how many were removed, how many are left, and whether Redis has all parts of those: 1 or 0
-- @include time
-- @include state
-- @include announce
-- @include lend
-- @include drop
-- @include check
local cap, limit = ARGV[1], ARGV[2]

-- Fails when memory is full, before anything has changed. Otherwise the script could start with commands that Redis
-- still accepts and remove instances that could not renew their leases.
redis.call('ZADD', KEYS.leases, 'XX', 0, '')

local share, least, steadySince = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local known = redis.call('HMGET', KEYS.meta, 'holdSince', 'holdCalm', 'holdOverdue', 'released')
local since, calm, told, released = tonumber(known[1]), tonumber(known[2]), tonumber(known[3]), tonumber(known[4]) or 0

-- Instances released from a hold are not held again, even if the cap delays their removal.
local function open()
  return '(' .. digits(released)
end
local function ttlOf(id)
  local text = redis.call('HGET', KEYS.states, id)
  local state = text and readState(text)
  return state and state.ttl or 0
end
-- Leases of a service may differ in length, so one that ends soon need not be overdue. Of more than a hundred, a sample
-- of a hundred is checked to keep the script short.
local function overdueAmong(start, count)
  local looked, late = math.min(count, 100), 0
  for index = 0, looked - 1 do
    local rank = start + math.floor(index * count / looked)
    local lease = redis.call('ZRANGE', KEYS.leases, rank, rank, 'WITHSCORES')
    if tonumber(lease[2]) - now <= ttlOf(lease[1]) / 3 then late = late + 1 end
  end
  return math.floor(count * late / looked + 0.5)
end

-- Gives a lease to instances that lost theirs, since they would otherwise never expire. If the state is lost too, the
-- length is unknown; such an instance is replaced when it registers again.
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
-- Without an epoch, readers would read the whole service at each audit.
if left > 0 and redis.call('HEXISTS', KEYS.meta, 'epoch') == 0 then beginEpoch(KEYS) end
-- A service may also come back without a registration, when a reader restores what Redis lost.
if left > 0 and redis.call('PTTL', KEYS.meta) >= 0 then
  redis.call('PERSIST', KEYS.meta)
  redis.call('PERSIST', KEYS.changes)
end
if left == 0 and redis.call('HLEN', KEYS.details) > 0 then redis.call('DEL', KEYS.details) end
local isWhole = redis.call('HLEN', KEYS.states) == left and redis.call('HLEN', KEYS.records) == left
return { #expired, left, isWhole and 1 or 0 }
