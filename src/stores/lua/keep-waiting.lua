-- A replica says which opens wait in it: puts newcomers into the queue of the pool and keeps the others alive in it.
-- KEYS  1 waiters zset   2 seen zset   3 demand hash   4 missed zset (both: count-arrival.lua)
-- ARGV  1 how long a queue is kept after the last call for it, ms
--       then session id, place (empty for a newcomer), head start in ms,
--       '1' if it joined the queue without having asked for a slot (else '0'), ...
-- Returns the places they have, in the order of the sessions
-- States: none
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local places = {}
for i = 2, #ARGV, 4 do
  local place = ARGV[i + 1]
  if place == '' then place = string.format('%.3f', now - ARGV[i + 2]) end
  -- NX: after Redis lost everything the place is what it was; before that it never changes.
  if redis.call('ZADD', KEYS[1], 'NX', place, ARGV[i]) == 0 then place = redis.call('ZSCORE', KEYS[1], ARGV[i]) end
  if ARGV[i + 3] == '1' then count_arrival(KEYS[3], KEYS[4], ARGV[i], math.floor(now), false) end
  redis.call('ZADD', KEYS[2], math.floor(now), ARGV[i])
  places[#places + 1] = place
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return places
