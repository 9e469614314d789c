-- Reads every key of a service before the first one is written: one of another type in the way stops the script with
-- nothing done.
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
