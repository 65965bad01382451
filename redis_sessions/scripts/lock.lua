-- Take the lock of a session, and read its record under it.
-- KEYS[1] record  [2] lock
-- ARGV[1] digests that prove the right, 16 bytes each  [2] who takes it  [3] milliseconds to hold it
-- Returns {1, {field, value, ...}}; {-2, who holds it} where that is another; {0} where the record is
-- gone; {-1} where the secret was rotated away. Sent twice, the second finds its own lock.
local stored = redis.call('HGET', KEYS[1], '\0k')
if not stored then
  return {0}
end
if #stored ~= 16 or not string.find(ARGV[1], stored, 1, true) then
  return {-1}
end
if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then
  local holder = redis.pcall('GET', KEYS[2])
  if holder ~= ARGV[2] then
    return {-2, type(holder) == 'string' and holder or ''}
  end
end
return {1, redis.call('HGETALL', KEYS[1])}
