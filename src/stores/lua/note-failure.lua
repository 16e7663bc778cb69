-- A pod did not take its session: notes it for all replicas.
-- KEYS  1 failures zset  pod uid -> when, ms of Redis' clock
-- ARGV  1 pod uid   2 window, ms
-- Returns the number of pods noted within the window, this one included
-- States: none
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
