-- Keeps the metadata of an empty service for a day, so that its numbers do not restart while readers remember them. A
-- service without leases is not empty if Redis still has its records or states.
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

-- Removes an instance and publishes the removal.
local function drop(keys, limit, id, reason)
  local generation = string.match(redis.call('HGET', keys.states, id) or '', '^%d+') or '0'
  take(keys, id)
  announce(keys, limit, { 'remove', id, reason, generation })
  keepForADay(keys)
end
