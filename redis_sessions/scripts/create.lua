-- Store the record of a new session, unless its id is taken.
-- KEYS[1] record
-- ARGV[1] digest  [2] now  [3] expiry  [4] idle seconds or ''  [5] 1: somebody logs in
-- ARGV[6...] field, value, ...
-- Returns 1; 0 where the id is taken. Sent twice, it finds its own record and returns 1.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('HGET', KEYS[1], '\0k') == ARGV[1] and 1 or 0
end
if tonumber(ARGV[3]) <= tonumber(ARGV[2]) then
  return 1
end
redis.call('HSET', KEYS[1], '\0k', ARGV[1], '\0c', ARGV[2], '\0v', 1, '\0x', ARGV[3])
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], '\0i', ARGV[4])
end
if ARGV[5] == '1' then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], '\0l', string.format('%d%06d', time[1], time[2]))
end
for i = 6, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('EXPIREAT', KEYS[1], ARGV[3])
return 1
