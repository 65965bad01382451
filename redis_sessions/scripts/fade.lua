-- Have the index of a user forget a session soon, unless it is noted anew: its end travels with this,
-- and may turn out to be none.
-- KEYS[1] index
-- ARGV[1] id  [2] when to forget it
-- Returns 1 where the index has names. Sent twice, the second changes nothing.
redis.call('ZADD', KEYS[1], 'XX', 'LT', ARGV[2], ARGV[1])
local longest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if not longest[2] then
  return 0
end
-- Whatever score somebody has put there, the server takes this time.
return redis.call('EXPIREAT', KEYS[1], math.ceil(math.max(0, math.min(tonumber(longest[2]), 1e13))))
