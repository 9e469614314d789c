local function loanOf(id)
  return 'loan ' .. id
end

-- Gives a full lease to an instance whose lease Redis has lost. Until the instance renews it, another loss does not
-- extend it; a dead instance would otherwise stay for as long as Redis keeps losing leases.
local function lend(keys, id, ttl)
  local ends = tonumber(redis.call('HGET', keys.meta, loanOf(id)))
  if not ends then
    ends = now + ttl
    redis.call('HSET', keys.meta, loanOf(id), digits(ends))
  end
  redis.call('ZADD', keys.leases, digits(ends), id)
  return ends
end
