-- Notes that Redis refused to be written to where the leases of services are: what runs out there is not taken out for a
-- while, since it could not be renewed.
-- @key sweep hash: when the last sweep began, until when nothing expires, and when writes of a service were refused last
-- @args names text: of the services
-- @reply number: 1
-- @include time
for index = 1, #ARGV do redis.call('HSET', KEYS.sweep, 'refused ' .. ARGV[index], digits(now)) end
return 1
