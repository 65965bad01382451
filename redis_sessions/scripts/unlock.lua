-- Let go of a lock.
-- KEYS[1] lock
-- ARGV[1] who holds it
-- Returns 1; 0 where nobody holds it; -1 where another does. Sent twice, the second finds nobody.
local holder = redis.pcall('GET', KEYS[1])
if not holder then
  return 0
end
return holder == ARGV[1] and redis.call('UNLINK', KEYS[1]) or -1
