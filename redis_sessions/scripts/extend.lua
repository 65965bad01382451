-- Hold a lock for longer; where the session has ended, let go of it.
-- KEYS[1] record  [2] lock
-- ARGV[1] who holds it  [2] milliseconds to hold it from now
-- Returns 1; 0 where it is not held any more. Sent twice, the second holds it as long.
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('UNLINK', KEYS[2])
  return 0
end
return redis.call('PEXPIRE', KEYS[2], ARGV[2])
