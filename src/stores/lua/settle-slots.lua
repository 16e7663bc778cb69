-- The claims of these slots are decided: forgets their reservations without giving the slots back.
-- KEYS  1 reservations hash   2 expiries zset   3 spent zset, see note-spent.lua
-- ARGV  session id, uid of the slot, ...
-- Returns the number of sessions that had their slot reserved; another request of one may have gone on to another slot
-- States: reserved -> claimed
local settled = 0
local uids = {}
for i = 1, #ARGV, 2 do
  uids[#uids + 1] = ARGV[i + 1]
  local record = redis.call('HGET', KEYS[1], ARGV[i])
  if record and string.match(record, '(%S+)$') == ARGV[i + 1] then
    redis.call('ZREM', KEYS[2], ARGV[i])
    settled = settled + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
note_spent(KEYS[3], uids)
return settled
