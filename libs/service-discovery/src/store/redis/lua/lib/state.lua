-- What changes about an instance while it is registered, as one text: nine words.
local function readState(text)
  local generation, ttl, order, registeredAt, operator, health, announcedAt, announced, claim =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+) (%S+) (%d+)$')
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
  }, ' ')
end
