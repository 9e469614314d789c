-- Adds a change to the stream under its number, and publishes it. Its fields contain no line breaks and are separated
-- by them. The tag of a change is a hash of the previous tag and the change, so equal tags mean equal histories:
-- servers that diverged in a failover use the same numbers for different changes, but not the same tags.
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
end

-- Starts a new epoch of the change numbers of a service, so that readers do not mistake new numbers for old ones. If
-- Redis lost the numbers but still has instances, they start at 2, since a reader takes a change number 1 for the whole
-- service.
local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

-- Numbers and publishes a change.
local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
