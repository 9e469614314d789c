-- Lets one process sweep for expired leases. If the last sweep is too long ago, Redis or all processes were stalled,
-- and heartbeats with them: nothing expires until the same time has passed again. Also returns the number of processes.
-- @key sweep hash: when the last sweep began, until when nothing expires, and when writes of a service were last
--   refused
-- @arg intervalMs number: the time between two sweeps
-- @arg stallMs number: how late a sweep may be before it counts as a stall
-- @arg graceMs number: the longest that expiry is held after a stall
-- @arg refusalMs number: how long nothing of a service expires after its writes were refused
-- @arg processes text: the channel that every process subscribes to
-- @reply list: 1 to sweep, 0 if another process sweeps, -1 while expiry is held; the end of the last hold; the number
--   of processes; and the names of the services of which nothing expires
-- @include time
local interval, stall, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = tonumber(ARGV[4])
-- Without the permission for PUBSUB the reply is an error, and the sweep goes on.
local listening = redis.pcall('PUBSUB', 'NUMSUB', ARGV[5])
local processes = tonumber(listening[2]) or 0
local known = redis.call('HMGET', KEYS.sweep, 'at', 'heldUntil')
local at, heldUntil = tonumber(known[1]), tonumber(known[2]) or 0
if at and now >= at and now - at < interval then return { 0, heldUntil, processes } end
redis.call('HSET', KEYS.sweep, 'at', digits(now))
if at and now - at > interval + stall then
  heldUntil = now + math.min(now - at, grace)
  redis.call('HSET', KEYS.sweep, 'heldUntil', digits(heldUntil))
end
local reply = { now < heldUntil and -1 or 1, heldUntil, processes }
local fields = redis.call('HLEN', KEYS.sweep) > 2 and redis.call('HGETALL', KEYS.sweep) or {}
for index = 1, #fields, 2 do
  local name = string.match(fields[index], '^refused (.*)$')
  if name and tonumber(fields[index + 1]) <= now - refusal then
    redis.call('HDEL', KEYS.sweep, fields[index])
  elseif name then
    reply[#reply + 1] = name
  end
end
return reply
