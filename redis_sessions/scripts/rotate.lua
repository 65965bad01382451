-- Give a session a new secret under the same id.
-- KEYS[1] record
-- ARGV[1] digests that prove the right, 16 bytes each  [2] new digest  [3] now
-- ARGV[4] reason  [5] who rotates it  [6] keys that open what is sealed, wrapped anew, or ''
-- Returns {1, version, expiry}; {0} where the record is gone; {-1} where the secret was rotated away
-- by another. Sent twice, it finds its own digest and returns {1, version, expiry}.
local stored = redis.call('HMGET', KEYS[1], '\0k', '\0v', '\0x')
if not stored[1] then
  return {0}
end
if stored[1] == ARGV[2] then
  return {1, tonumber(stored[2]), tonumber(stored[3])}
end
if #stored[1] ~= 16 or not string.find(ARGV[1], stored[1], 1, true) then
  return {-1}
end
if not string.find(stored[2] or '', '^[1-9]%d*$') or #stored[2] > 18 then
  return {0} -- somebody has put another thing there, which the server cannot count up
end
local version = redis.call('HINCRBY', KEYS[1], '\0v', 1)
redis.call('HSET', KEYS[1], '\0k', ARGV[2], '\0p', stored[1] .. ARGV[3])
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[1], '\0e', ARGV[6])
end
redis.call('PUBLISH', KEYS[1], ARGV[4] .. ' ' .. ARGV[5])
return {1, version, tonumber(stored[3])}
