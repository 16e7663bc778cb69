-- Put before scripts after which a slot is not to be handed out again. Who adds slots may have read before that what is
-- claimed: add-slots.lua passes over slots that were spent since.
-- spent    zset  pod uid -> when, ms of Redis' clock. Kept for 30 s: no controller looks at a pool for longer.
local function note_spent(spent, uids)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', spent, '-inf', now - 30000)
  for _, uid in ipairs(uids) do redis.call('ZADD', spent, now, uid) end
  redis.call('PEXPIRE', spent, 30000)
end

