-- An open of a project of which so many may wait for a pod at the same time.
-- KEYS  1 waiting zset  session id -> until when its place is kept, ms of Redis' clock
-- ARGV  1 session id   2 how long its place is kept, ms   3 most that may wait
-- Returns 1 if it has a place, else 0
-- States: none
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local has = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not has and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local longest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', longest[2]))
return 1
