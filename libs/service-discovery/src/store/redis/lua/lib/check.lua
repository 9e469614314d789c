-- Reads every key of a service before the first write, so that a key of the wrong type stops the script before it
-- changes anything.
local function checkTypes(keys)
  redis.call('HLEN', keys.records)
  redis.call('HLEN', keys.states)
  redis.call('HLEN', keys.details)
  redis.call('ZCARD', keys.leases)
  redis.call('HLEN', keys.meta)
  redis.call('XLEN', keys.changes)
end
