-- The names of the services that are in use.
-- @key names sorted set: service name → when it was last used
-- @reply list: the names
return redis.call('ZRANGE', KEYS.names, 0, -1)
