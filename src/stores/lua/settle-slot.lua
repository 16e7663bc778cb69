-- The claim is committed: forgets the reservation without giving the slot back.
-- KEYS  1 reservations hash   2 expiries zset
-- ARGV  1 session id
-- Returns 1 if there was a reservation, else 0
-- States: reserved -> claimed
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
