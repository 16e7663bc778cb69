-- Makes the index of a pool equal to the given slots, less those reserved, and marks it as built.
-- KEYS  1 ready zset   2 reservations hash   3 built string
-- ARGV  uid, rank, uid, rank, ...
-- Returns the number of slots in the index
-- States: any -> ready
local reserved = {}
for _, record in ipairs(redis.call('HVALS', KEYS[2])) do
  reserved[string.match(record, '(%S+)$')] = true
end
redis.call('DEL', KEYS[1])
for i = 1, #ARGV, 2 do
  if not reserved[ARGV[i]] then redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i]) end
end
redis.call('SET', KEYS[3], '1')
return redis.call('ZCARD', KEYS[1])
