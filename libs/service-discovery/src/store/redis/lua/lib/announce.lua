-- Numbers a change, keeps it in the stream under that number, and tells whoever listens. A service that starts anew has
-- another epoch, so that a reader of the old one does not take the new numbers for old ones.
local function announce(meta, changes, limit, change)
  local epoch = redis.call('HGET', meta, 'epoch')
  if not epoch then
    epoch = digits(micros)
    redis.call('HSET', meta, 'epoch', epoch)
    redis.call('DEL', changes)
  end
  local sequence = redis.call('HINCRBY', meta, 'sequence', 1)
  local text = cjson.encode(change)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, digits(sequence) .. '-0', 'change', text)
  redis.call('PUBLISH', changes, epoch .. ' ' .. digits(sequence) .. ' ' .. text)
end
