-- Write values anew that an old key had signed or sealed, each only while nobody else has written it
-- since. One that is to be '' goes.
-- KEYS[1] record
-- ARGV[1] digests that prove the right, 16 bytes each  [2...] field, value as read, value, ...
-- Returns the number of values that were written anew. Sent twice, the second finds nothing to do.
local stored = redis.call('HGET', KEYS[1], '\0k')
if not stored or #stored ~= 16 or not string.find(ARGV[1], stored, 1, true) then
  return 0
end
local renewed = 0
for i = 2, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    if ARGV[i + 2] == '' then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    end
    renewed = renewed + 1
  end
end
return renewed
