-- The mutable data of an instance, as ten fields separated by spaces.
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim, lease =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+) (%a+)$')
  if not generation then return nil end
  return {
    generation = generation,
    ttl = tonumber(ttl),
    order = order,
    registeredAt = registeredAt,
    operator = operator,
    health = health,
    announcedAt = tonumber(announcedAt),
    announced = announced,
    claim = claim,
    lease = lease,
  }
end

local function writeState(state)
  return table.concat({
    state.generation,
    digits(state.ttl),
    state.order,
    state.registeredAt,
    state.operator,
    state.health,
    digits(state.announcedAt),
    state.announced,
    state.claim,
    state.lease,
  }, ' ')
end
