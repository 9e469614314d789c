-- Records in the index that services are in use, and may publish the names that the index had lost.
-- @key names sorted set: service name → when it was last used
-- @arg channel text: where names that were not in the index are published; empty for new registrations
-- @args names text: of the services
-- @reply number: how many were not in the index
-- @include time
local added = {}
for index = 2, #ARGV do
  if redis.call('ZADD', KEYS.names, digits(now), ARGV[index]) == 1 then added[#added + 1] = ARGV[index] end
end
if ARGV[1] ~= '' and #added > 0 then redis.call('PUBLISH', ARGV[1], table.concat(added, ' ')) end
return #added
