-- Reserves the first ready slot of a pool for one attempt of one session. Idempotent per (session, attempt).
-- Eight keys rather than four: who waits, who is served and who found nothing must be decided in one step.
-- KEYS  1 ready         zset  pod uid -> rank (lower is handed out first)
--       2 reservations  hash  session id -> "attempt rank uid"
--       3 expiries      zset  session id -> end of its reservation, ms of Redis' clock
--       4 built         string, present once the index was built from Kubernetes and PostgreSQL
--       5 waiters       zset  session id -> place in the queue (lower is served first)
--       6 seen          zset  session id -> when its replica last said that it waits, ms of Redis' clock
--       7 demand        hash  see count-arrival.lua
--       8 missed        zset  see count-arrival.lua
-- ARGV  1 session id   2 attempt (integer)   3 reservation, ms   4 silence after which a waiter is gone, ms
--       5 '1' if the session asks for the first time, else '0'
-- Returns {1, uid} reserved | {0} none: the pool is empty, or its slots belong to those who wait before this session
--         | {-1} index unknown | {-2} a later attempt has reserved already
-- States: ready -> reserved; reserved -> ready for reservations that lapsed
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

return_lapsed(KEYS[1], KEYS[2], KEYS[3], now, 16, { [ARGV[1]] = true })

local own = redis.call('HGET', KEYS[2], ARGV[1])
if own then
  local attempt, uid = string.match(own, '^(%d+) %S+ (%S+)$')
  attempt = tonumber(attempt)
  if attempt > tonumber(ARGV[2]) then return {-2} end
  if attempt == tonumber(ARGV[2]) then
    redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[1])
    return {1, uid}
  end
  -- The older attempt's slot failed: it is not given back.
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
end

-- After the look at `own`: a call that was sent again counts once.
local function answer(found, result)
  if ARGV[5] == '1' then count_arrival(KEYS[7], KEYS[8], ARGV[1], now, found) end
  return result
end

-- Whether the pool had a pod is not known here. The session counts as one that found a pod.
if redis.call('EXISTS', KEYS[4]) == 0 then return answer(true, {-1}) end
local free = redis.call('ZCARD', KEYS[1])

forget_silent(KEYS[5], KEYS[6], now, ARGV[4])
if free == 0 then return answer(false, {0}) end

if redis.call('ZCARD', KEYS[5]) > 0 then
  local before = redis.call('ZRANK', KEYS[5], ARGV[1]) or redis.call('ZCARD', KEYS[5])
  if before >= free then return answer(false, {0}) end
  redis.call('ZREM', KEYS[5], ARGV[1])
  redis.call('ZREM', KEYS[6], ARGV[1])
end

local first = redis.call('ZPOPMIN', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. first[2] .. ' ' .. first[1])
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[1])
return answer(true, {1, first[1]})
