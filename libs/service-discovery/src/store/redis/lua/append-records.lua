-- Appends records to a capped stream. A record with a key is left out if one with this key was appended a moment ago, since
-- several processes report the same change.
-- @key stream stream of records
-- @key seen sorted set: key of a record → when it was appended
-- @arg limit number: about how many records the stream keeps
-- @arg windowMs number: how long a key counts as the same
-- @arg expiryMs number: how long the stream stays without a new record
-- @args records text: key and record in turn; an empty key is never the same
-- @reply number: how many were appended
-- @include time
local limit, window, expiry = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local appended = 0
for index = 4, #ARGV, 2 do
  local key, record = ARGV[index], ARGV[index + 1]
  local before = key ~= '' and tonumber(redis.call('ZSCORE', KEYS.seen, key))
  if not before or now - before >= window then
    redis.call('XADD', KEYS.stream, 'MAXLEN', '~', limit, '*', 'record', record)
    if key ~= '' then redis.call('ZADD', KEYS.seen, digits(now), key) end
    appended = appended + 1
  end
end
if appended > 0 then
  redis.call('PEXPIRE', KEYS.stream, expiry)
  redis.call('ZREMRANGEBYSCORE', KEYS.seen, '-inf', digits(now - window))
end
return appended
