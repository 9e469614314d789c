-- Notes in the index that services are in use.
-- @key names sorted set: service name → when it was last used
-- @args names text: of the services
-- @reply number: how many were not in the index before
-- @include time
local added = 0
for _, name in ipairs(ARGV) do
  added = added + redis.call('ZADD', KEYS.names, digits(now), name)
end
return added
