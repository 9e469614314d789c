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

-- Begins the numbering of a service again, under another epoch, so that a reader of the old one does not take the new
-- numbers for old ones. Where Redis lost the numbers and still has instances, they begin at 2: a reader takes the first
-- change for all that there is.
local function beginEpoch(keys)
  local epoch = digits(micros)
  redis.call('HSET', keys.meta, 'epoch', epoch, 'sequence', redis.call('HLEN', keys.records) > 0 and '1' or '0')
  redis.call('DEL', keys.changes)
  return epoch
end

-- Numbers a change and tells of it.
local function announce(keys, limit, change)
  local known = redis.call('HMGET', keys.meta, 'epoch', 'tag')
  local epoch, previous = known[1], known[2] or '-'
  if not epoch then
    epoch, previous = beginEpoch(keys), '-'
  end
  local sequence = digits(redis.call('HINCRBY', keys.meta, 'sequence', 1))
  redis.call('HSET', keys.meta, 'tag', tell(keys.changes, limit, epoch, sequence, previous, change))
end
