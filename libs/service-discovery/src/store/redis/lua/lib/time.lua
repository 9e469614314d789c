-- The clock of Redis, the same for all clients: in microseconds and in whole milliseconds since the Unix epoch.
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)

-- Formats a whole number; Lua would write a large one with an exponent.
local function digits(number)
  return string.format('%.0f', number)
end
