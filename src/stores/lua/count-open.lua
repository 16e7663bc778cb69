-- An open of a project that may have so many in a minute. The minute begins with the first of them.
-- KEYS  1 opens string  how many were let through in this minute
-- ARGV  1 length of the minute, ms   2 most opens in it
-- Returns {1 if it is let through, else 0; how many more are; ms until the minute is over}
-- States: none
local most = tonumber(ARGV[2])
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  count = 0
  left = tonumber(ARGV[1])
end
if count >= most then return {0, 0, left} end
redis.call('SET', KEYS[1], count + 1, 'PX', left)
return {1, most - count - 1, left}
