-- Reads records of a capped stream, the oldest first.
-- @key stream stream of records
-- @arg from text: the first id that is read
-- @arg most number: how many are read
-- @reply list: id and record in turn
local entries = redis.call('XRANGE', KEYS.stream, ARGV[1], '+', 'COUNT', ARGV[2])
local reply = {}
for _, entry in ipairs(entries) do
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = entry[2][2]
end
return reply
