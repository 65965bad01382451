-- Stands before the text of another script, which runs only while a lock is held.
-- KEYS[2] lock
-- ARGV[#ARGV] who holds it: what follows does not get to see this
-- Returns {-2} where it is not held any more; else what the other script returns.
if redis.pcall('GET', KEYS[2]) ~= table.remove(ARGV) then
  return {-2}
end
