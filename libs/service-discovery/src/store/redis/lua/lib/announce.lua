-- Keeps a change in the stream under its number, and tells whoever listens. Its fields, none of which holds a line
-- break, stand one a line.
local function tell(changes, limit, epoch, sequence, change)
  local text = table.concat(change, '\n')
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text)
  redis.call('PUBLISH', changes, epoch .. ' ' .. sequence .. ' ' .. text)
end

-- A service that starts anew has another epoch, so that a reader of the old one does not take the new numbers for old
-- ones.
local function beginEpoch(meta, changes)
  local epoch = digits(micros)
  redis.call('HSET', meta, 'epoch', epoch)
  redis.call('DEL', changes)
  return epoch
end

-- Numbers a change and tells of it.
local function announce(meta, changes, limit, change)
  local epoch = redis.call('HGET', meta, 'epoch') or beginEpoch(meta, changes)
  tell(changes, limit, epoch, digits(redis.call('HINCRBY', meta, 'sequence', 1)), change)
end
