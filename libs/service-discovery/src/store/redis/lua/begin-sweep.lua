-- Gives one process the next sweep for expired leases. When nobody swept for a while, Redis or all processes stood
-- still, and heartbeats with them: then nothing expires until as much time has passed again.
-- Tells every process, too, how many there are.
-- @key sweep hash: when the last sweep began, until when nothing expires, and when writes of a service were refused last
-- @arg intervalMs number: the time between two sweeps
-- @arg stallMs number: how much later than that a sweep may come before it shows a standstill
-- @arg graceMs number: the most that expiry is held for
-- @arg refusalMs number: for how long nothing of a service expires after writes of it were refused
-- @arg processes text: the channel that every process listens to
-- @reply list: 1 to sweep, 0 while another process does, -1 while expiry is held; until when it was held last; the number
--   of processes; and the names of the services of which nothing expires
-- @include time
local interval, stall, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = tonumber(ARGV[4])
-- A user who may not ask gets no answer, and sweeps all the same.
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
