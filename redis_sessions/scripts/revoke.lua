-- End a session by its id, for one who does not hold its secret.
-- KEYS[1] record
-- ARGV[1] reason  [2...] what the record may hold as its user, signed; none: whosever it is
-- Returns 1; 0 where there is no such session of this user. Sent twice, the second finds it gone.
local user, allowed = redis.call('HGET', KEYS[1], '_auth_user_id'), #ARGV == 1
for i = 2, #ARGV do
  allowed = allowed or user == ARGV[i]
end
if not allowed or redis.call('UNLINK', KEYS[1]) == 0 then
  return 0
end
redis.call('PUBLISH', KEYS[1], ARGV[1] .. ' ')
return 1
