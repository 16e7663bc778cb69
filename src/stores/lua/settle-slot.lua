-- The claim of a slot is decided: forgets its reservation without giving the slot back.
-- KEYS  1 reservations hash   2 expiries zset
-- ARGV  1 session id   2 uid of the slot
-- Returns 1 if the session had this slot reserved, else 0: another request of it may have gone on to another slot
-- States: reserved -> claimed
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record or string.match(record, '(%S+)$') ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
