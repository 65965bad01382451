-- Give a session a new secret under the same id.
-- KEYS[1] record
-- ARGV[1] digests that prove the right, 16 bytes each  [2] new digest  [3] now
-- ARGV[4] reason  [5] who rotates it
-- Returns 1; 0 where the record is gone; -1 where the secret was rotated away by another.
-- Sent twice, it finds its own digest and returns 1.
local stored = redis.call('HGET', KEYS[1], '\0k')
if not stored then
  return 0
end
if stored == ARGV[2] then
  return 1
end
if #stored ~= 16 or not string.find(ARGV[1], stored, 1, true) then
  return -1
end
redis.call('HSET', KEYS[1], '\0k', ARGV[2], '\0p', stored .. ARGV[3])
redis.call('HINCRBY', KEYS[1], '\0v', 1)
redis.call('PUBLISH', KEYS[1], ARGV[4] .. ' ' .. ARGV[5])
return 1
