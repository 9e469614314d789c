-- Records that Redis refused writes for services. Their leases cannot be renewed, so nothing of them expires for a
-- while.
-- @key sweep hash: when the last sweep began, until when nothing expires, and when writes of a service were last
--   refused
-- @args names text: of the services
-- @reply number: 1
-- @include time
for index = 1, #ARGV do redis.call('HSET', KEYS.sweep, 'refused ' .. ARGV[index], digits(now)) end
return 1
