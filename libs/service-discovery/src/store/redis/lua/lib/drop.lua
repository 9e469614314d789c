-- What is left of a service without instances is kept for a day: its numbers must not start over while readers remember
-- them. Redis may have lost the leases of instances that live on, so no leases alone do not make a service empty.
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

-- Takes an instance out, and tells of it.
local function drop(keys, limit, id, reason)
  local generation = string.match(redis.call('HGET', keys.states, id) or '', '^%d+') or '0'
  take(keys, id)
  announce(keys, limit, { 'remove', id, reason, generation })
  keepForADay(keys)
end
