-- Sets the operator status or the health of an instance. An unchanged health is published only if its detail is news.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @key details hash: instance id → the detail of its last health check, as JSON
-- @key leases sorted set: instance id → when it expires
-- @key meta hash: epoch, sequence, tag, generation
-- @key changes stream of changes, and the channel on which they are published
-- @arg id text: the instance id
-- @arg kind text: operator or health
-- @arg status text: the new one; an operator status may include a note
-- @arg detail text: the detail of the health check, as JSON; empty if there is none
-- @arg checkedAt number: the time of the check, in milliseconds since the Unix epoch
-- @arg print text: equal for details that differ only in time and latency
-- @arg silenceMs number: how long an otherwise unchanged detail is not published
-- @arg limit number: about how many changes the stream keeps
-- @reply number: 1 if there is such an instance, else 0
-- @include time
-- @include state
-- @include announce
-- @include check
local id, kind, status, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local checkedAt, print, silence, limit = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), ARGV[8]
local text = redis.call('HGET', KEYS.states, id)
local state = text and readState(text)
local record = redis.call('HGET', KEYS.records, id)
-- Without its record the instance is lost, and setting a status must not bring back a part of it.
if not state or not record then return 0 end
checkTypes(KEYS)

local news
if kind == 'operator' then
  news = state.operator ~= status
  state.operator = status
else
  local changed = state.health ~= status
  local has = detail ~= ''
  local wasMissing = false
  state.health = status
  if has then
    -- Readers may have read the instance after Redis lost its detail.
    wasMissing = redis.call('HSET', KEYS.details, id, detail) == 1
  elseif changed then
    redis.call('HDEL', KEYS.details, id)
  end
  news = changed or has and (wasMissing or state.announced ~= print or checkedAt - state.announcedAt >= silence)
  if news then
    state.announcedAt = has and checkedAt or 0
    state.announced = has and print or '-'
  end
end
if not news then return 1 end

text = writeState(state)
local beat = tonumber(redis.call('ZSCORE', KEYS.leases, id) or now) - state.ttl
announce(KEYS, limit, {
  'put', id, record, text, digits(beat), redis.call('HGET', KEYS.details, id) or '',
})
redis.call('HSET', KEYS.states, id, text)
return 1
