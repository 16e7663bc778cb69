-- Put before the scripts that reserve slots.

-- Slots of reservations that lapsed are ready again, without those of the sessions in `spared`. At most so many at a
-- time: each call pays for a few lapsed reservations, none pays for a thousand.
-- States: reserved -> ready
local function return_lapsed(ready, reservations, expiries, now, most, spared)
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, most)) do
    local record = redis.call('HGET', reservations, session)
    if record and not spared[session] then
      local rank, uid = string.match(record, '^%d+ (%S+) (%S+)$')
      redis.call('ZADD', ready, rank, uid)
      redis.call('HDEL', reservations, session)
      redis.call('ZREM', expiries, session)
    elseif not record then
      redis.call('ZREM', expiries, session)
    end
  end
end

-- Waiters of a replica that died leave the queue and are not counted.
local function forget_silent(waiters, seen, now, silence)
  local waiting = redis.call('ZCARD', waiters)
  if waiting == 0 then return end
  local silent = redis.call('ZRANGEBYSCORE', seen, '-inf', now - silence, 'LIMIT', 0, 500)
  if #silent > 0 then
    redis.call('ZREM', waiters, unpack(silent))
    redis.call('ZREM', seen, unpack(silent))
  end
  -- `seen` was evicted: every waiter counts as heard of now, and is silent only after the usual time.
  if waiting > #silent + redis.call('ZCARD', seen) then
    for _, session in ipairs(redis.call('ZRANGE', waiters, 0, 499)) do
      redis.call('ZADD', seen, 'NX', now, session)
    end
  end
end

