-- Adds ready, unclaimed slots; those reserved at present stay reserved.
-- KEYS  1 ready zset   2 reservations hash
-- ARGV  uid, rank, uid, rank, ...
-- Returns the number of slots that are new in the index
-- States: warming -> ready
local reserved = {}
for _, record in ipairs(redis.call('HVALS', KEYS[2])) do
  reserved[string.match(record, '(%S+)$')] = true
end
local added = 0
for i = 1, #ARGV, 2 do
  if not reserved[ARGV[i]] then added = added + redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i]) end
end
return added
