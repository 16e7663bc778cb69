-- Takes slots out that are not to be handed out again.
-- KEYS  1 ready zset   2 spent zset, see note-spent.lua
-- ARGV  uid, ...
-- Returns the number of slots that were in the index
-- States: ready -> claimed, draining, failed or gone
note_spent(KEYS[2], ARGV)
local dropped = 0
for _, uid in ipairs(ARGV) do dropped = dropped + redis.call('ZREM', KEYS[1], uid) end
return dropped
