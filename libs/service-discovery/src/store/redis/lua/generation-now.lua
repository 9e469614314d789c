-- Returns the approximate generation that a registration made now would get.
-- @key names sorted set: service name → when it was last used
-- @reply number: in microseconds since the Unix epoch
-- @include time
return digits(micros)
