-- Removes services from the index that have not been used for a while.
-- @key names sorted set: service name → when it was last used
-- @arg idleMs number: for how long
-- @args names text: of services without instances
-- @reply number: how many were removed
-- @include time
local removed = 0
for index = 2, #ARGV do
  local usedAt = tonumber(redis.call('ZSCORE', KEYS.names, ARGV[index]) or now)
  if usedAt <= now - tonumber(ARGV[1]) then removed = removed + redis.call('ZREM', KEYS.names, ARGV[index]) end
end
return removed
