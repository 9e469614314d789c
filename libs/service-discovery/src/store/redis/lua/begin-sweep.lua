-- Gives one process the next sweep for expired leases. When nobody swept for a while, Redis or all processes stood
-- still, and heartbeats with them: then nothing expires until as much time has passed again.
-- Tells every process, too, how many there are.
-- @key sweep hash: when the last sweep began, and until when nothing expires
-- @arg intervalMs number: the time between two sweeps
-- @arg stallMs number: how much later than that a sweep may come before it shows a standstill
-- @arg graceMs number: the most that expiry is held for
-- @arg processes text: the channel that every process listens to
-- @reply numbers: 1 to sweep, 0 while another process does, -1 while expiry is held; until when it was held last; and the
--   number of processes
-- @include time
local interval, stall, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- A user who may not ask gets no answer, and sweeps all the same.
local listening = redis.pcall('PUBSUB', 'NUMSUB', ARGV[4])
local processes = tonumber(listening[2]) or 0
local known = redis.call('HMGET', KEYS.sweep, 'at', 'heldUntil')
local at, heldUntil = tonumber(known[1]), tonumber(known[2]) or 0
if at and now >= at and now - at < interval then return { 0, heldUntil, processes } end
redis.call('HSET', KEYS.sweep, 'at', digits(now))
if at and now - at > interval + stall then
  heldUntil = now + math.min(now - at, grace)
  redis.call('HSET', KEYS.sweep, 'heldUntil', digits(heldUntil))
end
return { now < heldUntil and -1 or 1, heldUntil, processes }
