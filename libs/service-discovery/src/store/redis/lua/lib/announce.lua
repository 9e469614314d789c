-- Keeps a change in the stream under its number, and tells whoever listens. Its fields, none of which holds a line
-- break, stand one a line. Each change has a tag, made of the tag before it and of the change, so equal tags mean equal
-- histories: servers that went apart in a failover use the same numbers for different changes, but not the same tags.
local function tell(changes, limit, epoch, sequence, previous, change)
  local text = table.concat(change, '\n')
  local tag = string.sub(redis.sha1hex(previous .. text), 1, 16)
  redis.call('XADD', changes, 'MAXLEN', '~', limit, sequence .. '-0', 'change', text, 'tag', tag)
  redis.call('PUBLISH', changes, table.concat({ epoch, sequence, previous, tag, text }, ' '))
  return tag
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
  local known = redis.call('HMGET', meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(meta, changes), '-'
  end
  local sequence = digits(redis.call('HINCRBY', meta, 'sequence', 1))
  redis.call('HSET', meta, 'tag', tell(changes, limit, epoch, sequence, previous, change))
end
