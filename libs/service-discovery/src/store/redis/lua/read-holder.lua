-- Returns what holds an instance id.
-- @key records hash: instance id → the registration as JSON
-- @key states hash: instance id → its state, see lib/state.lua
-- @arg id text: the instance id
-- @reply list: the registration as JSON and the state, each empty if there is none
return { redis.call('HGET', KEYS.records, ARGV[1]) or '', redis.call('HGET', KEYS.states, ARGV[1]) or '' }
