-- Note a session in the index of its user, drop those that have expired, and keep the index for as
-- long as the longest of them.
-- KEYS[1] index
-- ARGV[1] id  [2] score: when the session expires, or later  [3] now
-- Returns the number of sessions that the index names. Sent twice, the second changes nothing.
local pruned = redis.pcall('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
if type(pruned) == 'table' then -- an error: somebody has put another thing there
  redis.call('UNLINK', KEYS[1])
end
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
local longest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
-- Whatever score somebody has put there, the server takes this time.
redis.call('EXPIREAT', KEYS[1], math.ceil(math.min(tonumber(longest[2]), 1e13)))
return redis.call('ZCARD', KEYS[1])
