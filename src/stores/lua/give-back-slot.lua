-- The claim was not made: the reserved slot is ready again, at its old rank.
-- KEYS  1 ready zset   2 reservations hash   3 expiries zset
-- ARGV  1 session id   2 uid of the slot
-- Returns 1 if the session had this slot reserved, else 0: another request of it may have gone on to another slot
-- States: reserved -> ready
local record = redis.call('HGET', KEYS[2], ARGV[1])
if not record then return 0 end
local rank, uid = string.match(record, '^%d+ (%S+) (%S+)$')
if uid ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[1], rank, uid)
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
