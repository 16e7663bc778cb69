-- Adds ready, unclaimed slots. Those reserved at present stay reserved, and what was spent since the caller looked stays away.
-- KEYS  1 ready zset   2 reservations hash   3 spent zset, see note-spent.lua
-- ARGV  1 when the caller began to read what is claimed, ms of Redis' clock
--       then uid, rank, uid, rank, ...
-- Returns the number of slots that are new in the index
-- States: warming -> ready
local taken = {}
for _, record in ipairs(redis.call('HVALS', KEYS[2])) do
  taken[string.match(record, '(%S+)$')] = true
end
for _, uid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], ARGV[1], '+inf')) do taken[uid] = true end
local added = 0
for i = 2, #ARGV, 2 do
  if not taken[ARGV[i]] then added = added + redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i]) end
end
return added
