-- Reserves the first ready slots of a pool, one for each of several sessions, or none at all. Idempotent per (session,
-- attempt), like reserve-slot.lua, whose keys it has.
-- KEYS  1 ready   2 reservations   3 expiries   4 built   5 waiters   6 seen   7 demand   8 missed
-- ARGV  1 reservation, ms   2 silence after which a waiter is gone, ms
--       then session id, attempt (integer), '1' if the session asks for the first time (else '0'), ...
-- Returns {1, uid, ...} in the order of the sessions | {0} fewer slots are free than these sessions and those who wait
--         before them need, and nothing is reserved | {-1} index unknown | {-2} a later attempt has reserved already
-- States: ready -> reserved; reserved -> ready for reservations that lapsed
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local attempts, arrives, order = {}, {}, {}
for i = 3, #ARGV, 3 do
  order[#order + 1] = ARGV[i]
  attempts[ARGV[i]] = tonumber(ARGV[i + 1])
  arrives[ARGV[i]] = ARGV[i + 2] == '1'
end
return_lapsed(KEYS[1], KEYS[2], KEYS[3], now, 16 + #order, attempts)

-- Read before anything is changed: a stale call changes nothing.
local held, older, wanted = {}, {}, 0
for _, session in ipairs(order) do
  local own = redis.call('HGET', KEYS[2], session)
  local attempt, uid
  if own then attempt, uid = string.match(own, '^(%d+) %S+ (%S+)$') end
  if own and tonumber(attempt) > attempts[session] then return {-2} end
  if own and tonumber(attempt) == attempts[session] then
    held[session] = uid
  else
    wanted = wanted + 1
    if own then older[#older + 1] = session end
  end
end

if redis.call('EXISTS', KEYS[4]) == 0 then return {-1} end
-- The slots of older attempts failed: they are not given back.
for _, session in ipairs(older) do
  redis.call('HDEL', KEYS[2], session)
  redis.call('ZREM', KEYS[3], session)
end

forget_silent(KEYS[5], KEYS[6], now, ARGV[2])
local spare = redis.call('ZCARD', KEYS[1]) - redis.call('ZCARD', KEYS[5])
local found = wanted == 0 or wanted <= spare
for _, session in ipairs(order) do
  -- One that has its slot was counted by the call that is sent again here.
  if arrives[session] and not held[session] then count_arrival(KEYS[7], KEYS[8], session, now, found) end
end
if not found then return {0} end

local first = wanted > 0 and redis.call('ZPOPMIN', KEYS[1], wanted) or {}
local answer, next = {1}, 1
for _, session in ipairs(order) do
  if not held[session] then
    held[session] = first[next]
    local record = string.format('%d %s %s', attempts[session], first[next + 1], first[next])
    redis.call('HSET', KEYS[2], session, record)
    next = next + 2
  end
  redis.call('ZADD', KEYS[3], now + ARGV[1], session)
  answer[#answer + 1] = held[session]
end
return answer
