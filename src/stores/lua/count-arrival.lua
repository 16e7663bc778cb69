-- Put before scripts that meet a session for the first time. Counts the sessions that asked a pool for a pod, each once,
-- and those of them that found none. Demand and not use: who was refused or waits counts as well.
-- demand   hash  arrivals, misses: since the hash was made, never lower; since: when that was, ms of Redis' clock
-- missed   zset  session id -> when it found no pod. A caller that was refused asks again under the same key and id.
local function count_arrival(demand, missed, session, now, found)
  if redis.call('ZSCORE', missed, session) then return end
  if redis.call('HINCRBY', demand, 'arrivals', 1) == 1 then
    redis.call('HSET', demand, 'since', string.format('%d', now))
  end
  if found then return end
  redis.call('HINCRBY', demand, 'misses', 1)
  redis.call('ZADD', missed, now, session)
  -- A retry comes within seconds. Ten minutes or 10,000 sessions of memory, whichever is less: about 1 MB a pool.
  redis.call('ZREMRANGEBYSCORE', missed, '-inf', now - 600000)
  redis.call('ZREMRANGEBYRANK', missed, 0, -10001)
  redis.call('PEXPIRE', missed, 600000)
end

