-- Renew the expiry of a session without writing data, where that is due.
-- KEYS[1] record
-- ARGV[1] digests that prove the right, 16 bytes each  [2] now  [3] idle seconds by default
-- ARGV[4] seconds to live from creation at most  [5] least gain, in seconds, that is worth a write
-- Returns {3, version, expiry, former expiry} where it was renewed, {1, version, expiry} where that
-- was not due; {0} where the record is gone; {-1} where the secret was rotated away. An idle time of
-- 0 means that the expiry is fixed.
local stored = redis.call('HMGET', KEYS[1], '\0k', '\0c', '\0x', '\0i', '\0v', '\0l')
if not stored[1] then
  return {0}
end
if #stored[1] ~= 16 or not string.find(ARGV[1], stored[1], 1, true) then
  return {-1}
end
local idle, former = tonumber(stored[4] or ARGV[3]) or 0, tonumber(stored[3]) or 0
local limit, version = (tonumber(stored[2]) or 0) + tonumber(ARGV[4]), tonumber(stored[5]) or 0
local expiry = math.floor(math.min(tonumber(ARGV[2]) + idle, limit))
if idle <= 0 or not (expiry - former >= tonumber(ARGV[5]) and expiry < 1e13) then -- nor NaN
  return {1, version, former}
end
redis.call('HSET', KEYS[1], '\0x', expiry)
if stored[6] then
  redis.call('HSET', KEYS[1], '\0s', ARGV[2])
end
redis.call('EXPIREAT', KEYS[1], expiry)
return {3, version, expiry, former}
