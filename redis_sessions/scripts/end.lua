-- End a session.
-- KEYS[1] record
-- ARGV[1] digests that prove the right, 16 bytes each  [2] reason  [3] who ends it
-- Returns {2}, and behind it the user that the record held, signed, if there was one; {0} where the
-- record is gone already; {-1} where the secret was rotated away, and behind it when that expires.
local stored = redis.call('HMGET', KEYS[1], '\0k', '_auth_user_id', '\0x')
if not stored[1] then
  return {0}
end
if #stored[1] ~= 16 or not string.find(ARGV[1], stored[1], 1, true) then
  return {-1, tonumber(stored[3])}
end
redis.call('UNLINK', KEYS[1])
redis.call('PUBLISH', KEYS[1], ARGV[2] .. ' ' .. ARGV[3])
return {2, stored[2] or nil}
