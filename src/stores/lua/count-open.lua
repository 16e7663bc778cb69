-- Opens of a project that may have so many in a minute: all of them are let through, or none. The minute begins with
-- the first of them.
-- KEYS  1 opens string  how many were let through in this minute
-- ARGV  1 length of the minute, ms   2 most opens in it   3 how many are to be let through
-- Returns {1 if they are let through, else 0; how many more are; ms until the minute is over}
-- States: none
local most = tonumber(ARGV[2])
local wanted = tonumber(ARGV[3])
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  count = 0
  left = tonumber(ARGV[1])
end
if count + wanted > most then return {0, math.max(0, most - count), left} end
redis.call('SET', KEYS[1], count + wanted, 'PX', left)
return {1, most - count - wanted, left}
