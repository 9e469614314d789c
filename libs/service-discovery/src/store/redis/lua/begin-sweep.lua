-- Gives one process the next sweep for expired leases. When nobody swept for a while, Redis or all processes stood
-- still, and heartbeats with them: then nothing expires until as much time has passed again.
-- @key sweep hash: when the last sweep began, and until when nothing expires
-- @arg intervalMs number: the time between two sweeps
-- @arg stallMs number: how much later than that a sweep may come before it shows a standstill
-- @arg graceMs number: the most that expiry is held for
-- @reply numbers: 1 to sweep, 0 while another process does, -1 while expiry is held; and until when it was held last
-- @include time
local interval, stall, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS.sweep, 'at', 'heldUntil')
local at, heldUntil = tonumber(known[1]), tonumber(known[2]) or 0
if at and now >= at and now - at < interval then return { 0, heldUntil } end
redis.call('HSET', KEYS.sweep, 'at', digits(now))
if at and now - at > interval + stall then
  heldUntil = now + math.min(now - at, grace)
  redis.call('HSET', KEYS.sweep, 'heldUntil', digits(heldUntil))
end
return { now < heldUntil and -1 or 1, heldUntil }
